"""What a Dockerfile can say besides RUN and COPY of local files: see also `test_builds`."""

import asyncio
import gzip
import os
from contextlib import suppress
from dataclasses import replace

import pytest
from grpclib import GRPCError
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.engine import DEFAULT_PATH, Capability, ProcessUser
from pytest_sandbox.server.builds.bases import Bases
from pytest_sandbox.server.builds.build_input import BuildInput
from pytest_sandbox.server.builds.context import BuildContext
from pytest_sandbox.server.builds.plan import plan
from pytest_sandbox.server.model.state import State
from pytest_sandbox.server.registries.registry_images import Wanted

from .building import built, dockerfile, failure, mount, printed, tar_of
from .engines import GatedEngine, GatedTask
from .harness import Harness

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")


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
