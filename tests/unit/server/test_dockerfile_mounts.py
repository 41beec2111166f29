"""What a Dockerfile mounts for a command: caches, secrets, files of stages and of the client."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from grpclib import Status

from pytest_sandbox.server.builds import uv
from pytest_sandbox.server.registries.aliases import Aliases
from pytest_sandbox.server.registries.standalone_python import FileOnDisk

from .building import begin, built, dockerfile, failure, join, mount, printed, secret
from .harness import Harness, refused


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
