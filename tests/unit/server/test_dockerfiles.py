"""What a Dockerfile can say besides RUN and COPY of local files: see also `test_builds`."""

import asyncio
import gzip
import io
import os
import shutil
import sysconfig
import tarfile
import threading
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError, Status
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox._proto import images_pb2
from pytest_sandbox.engine import DEFAULT_PATH, Capability, ProcessUser
from pytest_sandbox.server.builds import uv
from pytest_sandbox.server.builds.bases import Bases
from pytest_sandbox.server.builds.build_input import BuildInput
from pytest_sandbox.server.builds.context import BuildContext
from pytest_sandbox.server.builds.plan import plan
from pytest_sandbox.server.model.state import State
from pytest_sandbox.server.registries.aliases import Aliases
from pytest_sandbox.server.registries.registry_images import Wanted
from pytest_sandbox.server.registries.standalone_python import FileOnDisk

from .engines import GatedEngine, GatedTask
from .harness import Harness, refused
from .test_builds import begin, built, failure, join, local, mount, printed, secret

__all__ = ["local"]

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")


async def dockerfile(server: Harness, text: str, **fields: Any) -> str:
    """The id of the image of a Dockerfile, whose build was waited for."""
    definition = images_pb2.Image(dockerfile_commands=text.split("\n"), **fields)
    request = images_pb2.ImageGetOrCreateRequest(image=definition)
    response = await server.control.ImageGetOrCreate(request)
    if not response.result.status:
        result, _ = await join(server, response.image_id)
        assert result.status == result.GENERIC_STATUS_SUCCESS, result.exception
    return response.image_id


def commands(server: Harness) -> list[str]:
    """The commands of the steps that ran."""
    return [
        process.spec.argv[-1]
        for task in server.engine.tasks
        if task.spec.name.startswith("build: ")
        for process in task.processes
    ]


# Stages


@pytest.mark.asyncio
async def test_files_are_copied_from_stages_by_name_and_number(server: Harness) -> None:
    image_id = await dockerfile(
        server,
        """
        FROM debian AS First
        RUN mkdir -p /out/sub && echo 1 > /out/one && echo 2 > /out/sub/two && ln -s one /out/link
        FROM debian AS unused
        RUN fail 1
        FROM first AS second
        RUN echo 3 > /out/three
        FROM debian
        WORKDIR /app
        COPY --from=first /out dir
        COPY --from=0 /out/one single
        COPY --from=second /out/t*ree /out/link /several/
        COPY --from=second --chmod=700 --exclude=sub --exclude=**/l?nk out /changed
        """,
    )
    seen = "cd /app; cat dir/one dir/sub/two single /several/*; ls /changed; readlink dir/link"
    assert await printed(server, image_id, "sh", "-c", seen) == "1\n2\n1\n1\n3\none\nthree\none\n"
    sandbox = await server.create(image_id=image_id)
    assert (await sandbox.task.files.stat("/changed/one")).mode & 0o777 == 0o700
    assert "fail 1" not in commands(server)


@pytest.mark.asyncio
async def test_a_file_of_a_stage_keeps_its_time_and_its_holes(local: Harness) -> None:
    image_id = await dockerfile(
        local,
        "FROM debian AS a\nRUN echo a > /a; truncate -s 100M /a; touch -d @1000000000 /a\n"
        "RUN ln -s a /b; chmod 4711 /a\n"
        "FROM debian\nCOPY --from=a /b /srv/c\nCOPY --from=a --chmod=600 --chown=7:8 /a /srv/",
    )
    seen = "cd /srv; stat -c '%n %s %Y %a %u:%g' a c; test $(stat -c %b c) -lt 9999; echo $?"
    assert await printed(local, image_id, "sh", "-c", seen) == (
        "a 104857600 1000000000 600 7:8\nc 104857600 1000000000 4711 0:0\n0\n"
    )


@pytest.mark.asyncio
async def test_all_files_of_a_stage_are_copied(server: Harness) -> None:
    text = """
        FROM debian AS a
        RUN echo a > /srv/x && ln -s srv/x /y
        FROM debian
        COPY --from=a / /
        RUN --mount=type=bind,from=a,target=/mnt cat /mnt/srv/x > /srv/z
        """
    image_id = await dockerfile(server, text)
    assert await printed(server, image_id, "cat", "/srv/x", "/y", "/srv/z") == "a\na\na\n"


@pytest.mark.asyncio
async def test_a_stage_is_wanted_by_its_name(server: Harness) -> None:
    text = "FROM debian AS a\nRUN echo a > /srv/x\nFROM debian\nRUN echo b > /srv/x"
    for target, seen in (("a", "a\n"), ("0", "a\n"), ("1", "b\n")):
        image_id = await dockerfile(server, f"# pytest-sandbox.target={target}\n{text}")
        assert await printed(server, image_id, "cat", "/srv/x") == seen


@pytest.mark.asyncio
async def test_a_stage_that_changes_makes_what_is_copied_from_it_change(server: Harness) -> None:
    for content in ("1", "2", "1"):
        image_id = await dockerfile(
            server,
            f"FROM debian AS a\nRUN echo {content} > /srv/x\n"
            "FROM debian\nRUN true\nCOPY --from=a /srv/x /srv/y",
        )
        assert await printed(server, image_id, "cat", "/srv/y") == f"{content}\n"
    assert sorted(commands(server)) == ["echo 1 > /srv/x", "echo 2 > /srv/x", "true"]


@pytest.mark.asyncio
async def test_files_are_copied_from_an_image_of_the_server(server: Harness) -> None:
    base = await built(server, "RUN echo 1 > /srv/x")
    image_id = await built(server, "COPY --from=base /srv/x /srv/y", base=base)
    assert await printed(server, image_id, "cat", "/srv/y") == "1\n"
    text = await failure(server, "COPY --from=base /nosuch /x", base=base)
    assert "'/nosuch' is not in the image" in text


@pytest.mark.asyncio
async def test_what_an_image_has_done_later_is_done_once(server: Harness) -> None:
    base = await built(
        server, "ONBUILD RUN echo 1 >> /srv/x", "ONBUILD RUN <<E\necho 2 >> /srv/x\nE"
    )
    child = await built(server, "RUN echo 3 >> /srv/x", base=base)
    grandchild = await built(server, "RUN echo 4 >> /srv/x", base=child)
    assert await printed(server, grandchild, "cat", "/srv/x") == "1\n2\n3\n4\n"


@pytest.mark.asyncio
async def test_stages_that_all_need_each_other_are_each_planned_once(server: Harness) -> None:
    lines = ["FROM debian AS s0", "RUN echo 0 > /srv/0"]
    for number in range(1, 40):
        lines += [f"FROM s{number - 1} AS s{number}"]
        lines += [f"COPY --from=s{number - 1} /srv/0 /srv/{copy}" for copy in "ab"]
    image_id = await dockerfile(server, "\n".join(lines))
    assert await printed(server, image_id, "cat", "/srv/a", "/srv/b") == "0\n0\n"
    assert commands(server) == ["echo 0 > /srv/0"]


# Arguments


@pytest.mark.asyncio
async def test_arguments_before_the_first_stage_and_those_that_are_always_there(
    server: Harness,
) -> None:
    image_id = await dockerfile(
        server,
        """
        ARG TAG=12
        ARG BASE=debian:$TAG
        FROM --platform=$BUILDPLATFORM ${BASE}
        ARG TAG
        ARG TARGETARCH
        ARG GIVEN=${TAG:+with}-${NOT:-out}
        RUN echo $TAG $TARGETARCH $TARGETOS $BASE $GIVEN > /srv/a
        ENV COPIED=$TARGETARCH
        """,
        build_args={"TAG": "13"},
    )
    seen = await printed(server, image_id, "sh", "-c", "cat /srv/a; echo $COPIED $TAG")
    assert seen == f"13 {ARCHITECTURE} with-out\n{ARCHITECTURE}\n"


@pytest.mark.asyncio
async def test_a_path_goes_on_as_programs_have_it(server: Harness) -> None:
    image_id = await built(server, "ENV PATH=/own:${PATH}")
    assert await printed(server, image_id, "sh", "-c", "echo $PATH") == f"/own:{DEFAULT_PATH}\n"


@pytest.mark.asyncio
async def test_a_proxy_is_there_for_steps_and_no_layer_depends_on_it(server: Harness) -> None:
    lines = "RUN echo $HTTP_PROXY > /srv/a"
    image_id = await built(server, lines, build_args={"HTTP_PROXY": "http://a"})
    assert await printed(server, image_id, "cat", "/srv/a") == "http://a\n"
    assert await built(server, lines, build_args={"HTTP_PROXY": "http://b"}) == image_id


@pytest.mark.asyncio
@pytest.mark.skipif(
    not os.path.exists("/usr/bin/busybox"), reason="busybox-static is not installed"
)
async def test_a_stage_without_files(local: Harness) -> None:
    if Capability.IMAGE not in local.app.state.info.capabilities:
        pytest.skip("the engine cannot do this here: image")
    image_id = await dockerfile(
        local,
        "FROM debian AS build\nRUN mkdir /out && cp /usr/bin/busybox /out && echo built > /out/a\n"
        'FROM scratch\nCOPY --from=build /out /\nRUN ["/busybox", "cp", "/a", "/b"]\n'
        'ENTRYPOINT ["/busybox", "sleep", "1000"]',
    )
    sandbox = await local.create(image_id=image_id)
    seen = await local.exec(
        sandbox, "/busybox", "sh", "-c", "/busybox cat /b; /busybox ls /bin /usr"
    )
    assert (await local.output(sandbox, seen)).decode() == "built\n"
    await local.terminate(sandbox)


# Heredocs


@pytest.mark.asyncio
async def test_heredocs_are_scripts_and_files(server: Harness) -> None:
    image_id = await dockerfile(
        server,
        "FROM debian\n"
        "ENV A=1\n"
        "RUN <<EOT\nB=2\necho $A $B > /srv/a\nEOT\n"
        "RUN cat <<-'x' <<y >> /srv/a\n\t\tnot this\n\tx\n$A\ny\n"
        "COPY <<-one <<'two' /srv/files/\n\t\"$A\" \\$A it's\n\tone\n\t$A\ntwo\n"
        "COPY <<x /srv/as-name\nlast\nx",
    )
    seen = "cat /srv/a /srv/files/one /srv/files/two /srv/as-name"
    assert await printed(server, image_id, "sh", "-c", seen) == (
        '1 2\n1\n"1" $A it\'s\n\t$A\nlast\n'
    )


@pytest.mark.asyncio
async def test_a_heredoc_of_a_command_is_read_by_the_shell(server: Harness) -> None:
    image_id = await dockerfile(
        server,
        "FROM debian\n"
        "ENV A=1\n"
        "RUN cat <<E > /srv/a\nhello $A\nE\n"
        "RUN cat >> /srv/a <<'E' && echo done >> /srv/a\n$A\nE\n"
        "RUN <<-E cat >> /srv/a\n\t\ttabs\n\tE\n"
        "RUN bash -e <<E\necho inner >> /srv/a\nE\n"
        'RUN <<-"E"\n\techo $A >> /srv/a\n\tE\n',
    )
    assert await printed(server, image_id, "cat", "/srv/a") == (
        "hello 1\n$A\ndone\ntabs\ninner\n1\n"
    )


# Mounts of a command


@pytest.mark.asyncio
async def test_what_is_mounted_is_there_for_the_command_only(server: Harness) -> None:
    context = await mount(server, {"/r.txt": b"r\n", "/d/one": b"1\n", "/d/sub/two": b"2\n"})
    image_id = await dockerfile(
        server,
        """
        FROM debian AS other
        RUN mkdir /o && echo o > /o/f
        FROM debian
        RUN mkdir /srv/x && echo before > /srv/x/r.txt
        WORKDIR /srv/x
        RUN --mount=type=bind,source=r.txt,target=r.txt \
            --mount=target=/ctx,source=d,rw \
            --mount=type=bind,from=other,source=/o,target=/from \
            --mount=type=bind,from=other,source=/o/f,target=/from-file \
            --mount=type=tmpfs,target=/scratch \
            echo x > /scratch/x && echo x > /ctx/x && \
            cat r.txt /ctx/one /ctx/sub/two /from/f /from-file > /srv/a
        """,
        context_mount_id=context,
    )
    seen = "cat /srv/a /srv/x/r.txt; ls -A /ctx /from /scratch; ls -d /from-file"
    assert await printed(server, image_id, "sh", "-c", seen) == (
        "r\n1\n2\no\no\nbefore\n/ctx:\n\n/from:\n\n/scratch:\n"
    )
    changed = await mount(server, {"/r.txt": b"other\n", "/d/one": b"1\n"})
    again = "WORKDIR /srv\nRUN --mount=source=r.txt,target=/r cat /r > /srv/b"
    for files, text in ((context, "r\n"), (changed, "other\n"), (context, "r\n")):
        image_id = await dockerfile(server, f"FROM debian\n{again}", context_mount_id=files)
        assert await printed(server, image_id, "cat", "/srv/b") == text


@pytest.mark.asyncio
async def test_a_cache_outlives_the_build_and_is_in_no_layer(server: Harness) -> None:
    use = "RUN --mount=type=cache,target=/c,{} cat /c/n > /srv/a || true; echo {} >> /c/n"
    await built(server, use.format("id=x", 1))
    image_id = await built(server, use.format("id=x,sharing=locked", 2))
    assert await printed(server, image_id, "sh", "-c", "cat /srv/a; ls /c") == "1\n"
    other = await built(server, use.format("id=y", 2))
    assert await printed(server, other, "cat", "/srv/a") == ""


@pytest.mark.asyncio
async def test_a_mounted_secret_is_in_no_layer_log_or_key(server: Harness) -> None:
    secret_ids = [await secret(server, TOKEN="hunter2-and-more")]
    mounts = (
        "--mount=type=secret,id=TOKEN --mount=type=secret,id=TOKEN,target=/srv/t "
        "--mount=type=secret,id=TOKEN,env=OTHER --mount=type=secret,id=NOT_THERE"
    )
    script = "cat /run/secrets/TOKEN /srv/t; echo; echo $OTHER; ls /run/secrets"
    response = await begin(server, f"RUN {mounts} {script}", secret_ids=secret_ids)
    result, log = await join(server, response.image_id)
    assert result.status == result.GENERIC_STATUS_SUCCESS, result.exception
    assert log.endswith("[secret][secret]\n[secret]\nTOKEN\n")
    assert await printed(server, response.image_id, "sh", "-c", "ls /srv /run/secrets") == (
        "/run/secrets:\n\n/srv:\n"
    )
    build = server.app.builder.find(response.image_id)
    assert build is not None
    assert b"hunter2" not in repr(build.plan).encode()


TAKE = (
    "RUN --mount=type=secret,id=TOKEN,target=/srv/t cat /srv/t > /dev/null && {} /srv/t /srv/kept"
)


@pytest.mark.asyncio
@pytest.mark.parametrize("take", ["ln", "mv"])
async def test_a_link_to_a_secret_or_a_move_leaves_nothing_of_it(local: Harness, take: str) -> None:
    secret_ids = [await secret(local, TOKEN="hunter2-and-more")]
    image_id = await dockerfile(local, f"FROM debian\n{TAKE.format(take)}", secret_ids=secret_ids)
    seen = "ls /srv; cat /srv/* 2>/dev/null || true; ls -A /run/secrets"
    assert await printed(local, image_id, "sh", "-c", seen) == "kept\n"


@pytest.mark.asyncio
async def test_a_mounted_secret_has_an_owner(local: Harness) -> None:
    secret_ids = [await secret(local, TOKEN="hunter2-and-more")]
    owner = "uid=0,gid=0" if os.getuid() else "uid=77,gid=78"
    image_id = await dockerfile(
        local,
        "FROM debian\n"
        f"RUN --mount=type=secret,id=TOKEN,{owner} "
        f"--mount=type=secret,id=TOKEN,target=/srv/new/t,{owner},mode=440 "
        "stat -L -c '%u %g %a' /run/secrets/TOKEN /srv/new/t > /srv/a",
        secret_ids=secret_ids,
    )
    ids = "0 0" if os.getuid() else "77 78"
    assert await printed(local, image_id, "cat", "/srv/a") == f"{ids} 400\n{ids} 440\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "field", ["mode=-1", "mode=77777777", "mode=rw", "mode=", "uid=-1", "gid=4294967295", "uid=me"]
)
@pytest.mark.parametrize("kind", ["secret,id=TOKEN", "cache,target=/c"])
async def test_a_mode_or_an_owner_of_a_mount_that_makes_no_sense_is_named(
    server: Harness, kind: str, field: str
) -> None:
    with refused(Status.INVALID_ARGUMENT, f"{field} must be a"):
        await begin(server, f"RUN --mount=type={kind},{field} true")


@pytest.mark.asyncio
async def test_uv_that_no_view_shows_is_copied(
    server: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = server.app.state
    state.info_at_start = replace(state.info, search_path="/nonexistent", one_image=False)
    for name in ("uv", "uvx"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    threads = []

    def on_disk(path: Path) -> FileOnDisk:
        threads.append(threading.current_thread())
        return FileOnDisk(path)

    monkeypatch.setattr(uv, "FileOnDisk", on_disk)
    copy = "COPY --from=ghcr.io/astral-sh/uv:0.9"
    response = await begin(server, f"{copy} /uv /.uv/uv", f"{copy} /uv /uvx /bin/")
    _, log = await join(server, response.image_id)
    assert log.count("(the uv of this machine)") == 2
    shown = await printed(server, response.image_id, "cat", "/.uv/uv", "/bin/uv", "/bin/uvx")
    assert shown.count("echo uv\n") == 2
    assert shown.endswith("echo uvx\n")
    assert threading.current_thread() not in threads  # nothing waits while it is read
    assert len(threads) == 2
    with refused(Status.UNIMPLEMENTED, "/else"):
        await begin(server, f"{copy} /else /x")


@pytest.mark.asyncio
async def test_an_alias_comes_before_the_uv_of_this_machine(server: Harness) -> None:
    name = "ghcr.io/astral-sh/uv:0.9"
    server.app.state.registry_images.aliases = Aliases({name: "host"})
    text = await failure(server, f"COPY --from={name} /uv /.uv/uv")
    assert "'/uv' is not in the image that is copied from" in text


@pytest.mark.asyncio
async def test_a_command_without_network(server: Harness) -> None:
    await built(server, "RUN --network=none true")
    assert server.engine.tasks[-1].spec.network is None


# ADD


def tar_of(**files: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"in/{name}")
            member.size, member.mode = len(text), 0o640
            tar.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


@pytest.mark.asyncio
async def test_an_archive_is_unpacked_by_add_only(server: Harness) -> None:
    plain = tar_of(a="1\n")
    files = {"/p.tar": plain, "/z.tar.gz": gzip.compress(tar_of(b="2\n")), "/text.gz": b"no tar\n"}
    image_id = await built(
        server,
        "ADD [pz].tar* text.gz /added/",
        "ADD --unpack=false p.tar /kept/",
        "COPY p.tar /copied",
        context_mount_id=await mount(server, files),
    )
    sandbox = await server.create(image_id=image_id)
    read = await server.exec(sandbox, "cat", "/added/in/a", "/added/in/b", "/added/text.gz")
    assert await server.output(sandbox, read) == b"1\n2\nno tar\n"
    for path in ("/kept/p.tar", "/copied"):
        assert (await sandbox.task.files.stat(path)).size == len(plain)
    assert (await sandbox.task.files.stat("/added/in/a")).mode & 0o777 == 0o640


@pytest.mark.asyncio
async def test_a_damaged_archive_fails_the_step(server: Harness) -> None:
    damaged = gzip.compress(tar_of(a=os.urandom(5000).hex()))[:-4000]
    context = await mount(server, {"/a.tar.gz": damaged})
    assert "ADD a.tar.gz /x\n" in await failure(server, "ADD a.tar.gz /x", context_mount_id=context)


LINES = st.sampled_from(
    [
        *("FROM debian", "FROM debian AS a", "FROM a", "FROM ${A:-debian}", "ARG A=$B", "ARG A"),
        *(
            "RUN --mount=",
            "RUN --mount=type=cache,",
            "--mount=from=a ",
            "COPY --from=a ",
            "<<E",
            "E",
        ),
        *(
            "RUN <<E",
            "ENV A=${B",
            "COPY a",
            "ADD [",
            "USER ",
            "ONBUILD ",
            "ONBUILD COPY --from=a x y",
        ),
        *("# escape=`", "\\", "$", '"', "target=/a,", "mode=z true", "WORKDIR ${A:?b}", "SHELL []"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", " ", ""]))
def test_no_lines_are_a_fault_of_the_server(lines: list[str], between: str) -> None:
    async def read() -> None:
        state = State(engine, info)
        around = BuildInput(
            Bases(state, {}, Wanted(None)), lambda image: image, BuildContext(), {}, {}, "", ""
        )
        with suppress(GRPCError):
            await plan(["FROM debian", *between.join(lines).split("\n")], around)

    engine = GatedEngine()
    info = asyncio.run(engine.start())
    asyncio.run(read())


@pytest.mark.asyncio
async def test_a_user_is_found_in_the_files_of_the_image(server: Harness) -> None:
    accounts = (
        "RUN printf 'app:x:7:8::/home/app:/bin/sh\\nbad:x:1:x::/:/\\nlarge:x:9999999999:1::/:/' "
        "> /etc/passwd; printf 'more:x:9:app\\nlast:x:10:b,app\\n' > /etc/group"
    )
    for user, expected in (
        ("app", ProcessUser(7, 8, (9, 10))),
        ("7", ProcessUser(7, 8, (9, 10))),
        ("app:last", ProcessUser(7, 10)),
        ("app:11", ProcessUser(7, 11)),
        ("12", ProcessUser(12, 0)),
        ("12:more", ProcessUser(12, 9)),
    ):
        await built(server, accounts, f"USER {user}", "RUN true")
        task = server.engine.tasks[-1]
        assert isinstance(task, GatedTask)
        assert task.processes[-1].spec.user == expected
        assert task.processes[-1].spec.env["HOME"] == ("/home/app" if expected.uid == 7 else "/")
    server.app.state.info_at_start = replace(server.app.state.info, one_image=False)
    for user, said in (
        ("nosuch", "no user 'nosuch'"),
        ("app:nosuch", "no group 'nosuch'"),
        ("bad", "'x' is no id"),
        ("large", "'9999999999' is no id"),
        ("9" * 5000, "is no id"),
    ):
        assert said in await failure(server, accounts, f"USER {user}", "RUN true")


@pytest.mark.asyncio
async def test_where_no_program_of_an_image_runs_every_user_is_known(server: Harness) -> None:
    context = await mount(server, {"/f": b"1"})
    users = []
    for name in ("app", "www-data:more"):
        lines = f"COPY --chown={name} f /f", f"USER {name}", "RUN true"
        image_id = await built(server, *lines, context_mount_id=context)
        task = server.engine.tasks[-1]
        assert isinstance(task, GatedTask)
        spec = task.processes[-1].spec
        assert spec.user is not None
        assert spec.env["HOME"] == f"/home/{name.partition(':')[0]}"
        entry = await (await server.create(image_id=image_id)).task.files.stat("/f")
        assert (entry.uid, entry.gid) == (spec.user.uid, spec.user.gid)
        users.append(spec.user)
    assert users[0].uid == users[0].gid
    assert len({users[0].uid, users[1].uid, users[1].gid}) == 3


# With a real kernel

DOCKERFILE = r"""
# syntax=docker/dockerfile:1
FROM debian AS build
RUN mkdir -p /out/sub && echo 1 > /out/one && ln -s one /out/link && chmod 751 /out/sub

FROM debian
RUN --mount=type=cache,target=/c,mode=711 --mount=type=tmpfs,target=/scratch \
    --mount=type=secret,id=TOKEN --mount=type=bind,source=r.txt,target=/r.txt \
    --mount=type=bind,from=build,source=/out,target=/b \
    echo x > /c/x && echo x > /scratch/x && \
    cat /run/secrets/TOKEN > /dev/null && cat /r.txt /b/one > /srv/a && stat -c %a /c >> /srv/a
COPY --from=build /out /srv/out
ENV PATH=/srv/own:$PATH
RUN <<EOT
#!/usr/bin/env python3
with open("/srv/a", "a") as file:
    file.write("py\n")
EOT
RUN python3 - <<'EOT' >> /srv/a
print("$0")
EOT
ADD a.tar.gz /srv/added
"""


@pytest.mark.asyncio
async def test_a_dockerfile_on_a_view_of_this_machine(local: Harness) -> None:
    files = {"/r.txt": b"r\n", "/a.tar.gz": gzip.compress(tar_of(a="t\n"))}
    image_id = await dockerfile(
        local,
        DOCKERFILE,
        context_mount_id=await mount(local, files),
        secret_ids=[await secret(local, TOKEN="hunter2-and-more")],
    )
    seen = "cat /srv/a /srv/added/in/a; readlink /srv/out/link; stat -c %a /srv/out/sub"
    gone = "ls -A /c /scratch /b; ls /r.txt /tmp/.heredoc /run/secrets/*; grep -r hunter2 /srv"
    assert await printed(local, image_id, "sh", "-c", f"{seen}; {{ {gone}; }} 2>/dev/null") == (
        "r\n1\n711\npy\n$0\nt\none\n751\n/b:\n\n/c:\n\n/scratch:\n"
    )


@pytest.mark.asyncio
async def test_what_cannot_be_changed_says_where_files_may_go(local: Harness) -> None:
    there = await mount(local, {"/a": b"a\n"})
    for line in ("COPY a /sys/a", "RUN mkdir /sys/a"):
        text = await failure(local, line, context_mount_id=there)
        assert "Read-only file system" in text
        assert "ENV PATH=/app:$PATH" in text


@pytest.mark.asyncio
async def test_steps_and_files_of_another_user(local: Harness) -> None:
    base_id = await dockerfile(local, "FROM debian\n")
    ids = (await printed(local, base_id, "cat", "/proc/self/uid_map")).split()
    if sum(map(int, ids[2::3])) < 1237:
        pytest.skip("the engine cannot do this here: users besides root need more ids")
    image_id = await dockerfile(
        local,
        "FROM debian\n"
        "RUN echo app:x:1234:1235:app:/home/app:/bin/sh >> /etc/passwd; mkdir -m 777 /home/app\n"
        "RUN echo app:x:1235: >> /etc/group; echo more:x:1236:app >> /etc/group\n"
        "COPY --chown=app:more --chmod=640 a /srv/a\n"
        "USER app\n"
        "RUN id > ~/who; cat /srv/a >> ~/who || true\n"
        "USER 77:78\n"
        "RUN id -u >> /tmp/who; id -g >> /tmp/who; id -G >> /tmp/who\n",
        context_mount_id=await mount(local, {"/a": b"a\n"}),
    )
    seen = "cat /home/app/who /tmp/who; stat -c '%u %g %a' /srv/a; id -u"
    text = await printed(local, image_id, "sh", "-c", seen)
    if text.startswith("uid=1234"):
        assert text == (
            "uid=1234(app) gid=1235(app) groups=1235(app),1236(more)\na\n"
            "77\n78\n78\n1234 1236 640\n0\n"
        )
    assert "no user 'nosuch'" in await failure(local, "USER nosuch", "RUN true")
    # Its line is the last one of a large file.
    line = "last:x:77:78::/:/bin/sh"
    many = f"{{ yes x:x:1:1:::/bin/sh | head -c 2000000; echo; echo {line}; }} >> /etc/passwd"
    lines = f"RUN {many}", "USER last", "RUN exit $(($(id -u) - 70))"
    assert "exit code 7" in await failure(local, *lines)


#: Where a Python environment has it, and others.
_WITH_UV = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))


def wheel() -> bytes:
    """A package with one module and one program."""
    files = {
        "tiny_of_a_test.py": "def main():\n    print('tiny')\n",
        "tiny_of_a_test-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: tiny-of-a-test\nVersion: 1.0\n"
        ),
        "tiny_of_a_test-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        "tiny_of_a_test-1.0.dist-info/entry_points.txt": (
            "[console_scripts]\ntiny-of-a-test = tiny_of_a_test:main\n"
        ),
    }
    record = "tiny_of_a_test-1.0.dist-info/RECORD"
    listed = "".join(f"{name},,\n" for name in [*files, record])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in {**files, record: listed}.items():
            archive.writestr(name, text)
    return data.getvalue()


@pytest.mark.asyncio
async def test_packages_are_installed_from_an_index(local: Harness) -> None:
    name = "tiny_of_a_test-1.0-py3-none-any.whl"
    folder = "/index/tiny-of-a-test"
    index = {
        f"{folder}/{name}": wheel(),
        f"{folder}/index.html": f'<a href="{name}">{name}</a>'.encode(),
    }
    image_id = await built(
        local,
        "COPY . /",
        "RUN python -m pip install tiny-of-a-test --index-url file:///index",
        context_mount_id=await mount(local, index),
    )
    assert await printed(local, image_id, "tiny-of-a-test") == "tiny\n"
    text = await failure(local, "RUN python -m pip install nosuch --no-index")
    assert "No matching distribution found for nosuch" in text


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("uv", path=_WITH_UV) is None, reason="needs uv: pip install uv")
async def test_uv_of_this_machine_installs_packages(local: Harness) -> None:
    # As Image.uv_pip_install of Modal's clients has it.
    run = "RUN /.uv/uv pip install --python $(command -v python) --compile-bytecode"
    copy = "COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv"
    name = "tiny_of_a_test-1.0-py3-none-any.whl"
    image_id = await built(
        local,
        copy,
        "COPY . /",
        f"{run} --no-index --find-links /index tiny-of-a-test",
        context_mount_id=await mount(local, {f"/index/{name}": wheel()}),
    )
    assert await printed(local, image_id, "tiny-of-a-test") == "tiny\n"
    text = await failure(local, copy, f"{run} nosuch-of-a-test")
    assert "--sandbox-network=open" in text
