"""The engine's socket serves no program of a sandbox or container that got at it by mistake."""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox._run.run import Run
from pytest_sandbox.engine import EngineInfo, Task, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.server import Application
from pytest_sandbox.server.listeners import Listeners
from pytest_sandbox.server.rpc import peers

from .conftest import (
    SOMEBODY,
    is_blank,
    is_forker,
    needs_root,
    python_of_everybody,
    shell,
    their_env,
    until,
)

pytestmark = [needs_root, pytest.mark.asyncio]

#: Prints how many bytes the server sends to one that connects: its settings, if it serves it.
CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.settimeout(20)
    sock.connect(sys.argv[1])
    try:
        print(len(sock.recv(1024)))
    except ConnectionResetError:
        print(0)
"""
#: Mounts a directory of ours in the mount namespace of a process.
MOUNT = """
import os, sys
from pytest_sandbox.local.kernel import mounts, namespaces
process, folder, target = sys.argv[1:]
tree = mounts.open_tree(folder)
namespaces.enter(os.pidfd_open(int(process)), namespaces.CLONE_NEWNS)
mounts.move_mount(tree, target)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody may enter, so that nothing but the server refuses anybody."""
    with tempfile.TemporaryDirectory(prefix="socket-", dir="/tmp") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@contextlib.asynccontextmanager
async def serving(engine: LocalEngine, path: Path) -> AsyncIterator[None]:
    """A server that listens on `path`; none of its connections is left afterwards."""
    info = EngineInfo("local", "", frozenset(), {}, "", "")
    listeners = Listeners(Application(engine, info))
    await listeners.unix(path)
    os.chmod(path, 0o666)
    try:
        yield
    finally:
        listeners.close()
        while is_in_use(path):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)


def is_in_use(path: Path) -> bool:
    """Whether we have a socket of this address.

    /proc/net/unix would not tell: it lacks connections that came from a sandbox, which the kernel
    counts to the network namespace of that.
    """
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    if sock.getsockname() == str(path):
                        return True
    return False


@pytest_asyncio.fixture
async def path(folder: Path) -> AsyncIterator[Path]:
    """The socket of a server."""
    async with serving(LocalEngine(), folder / "socket"):
        yield folder / "socket"


async def connect(path: Path, *prefix: str) -> int:
    """How many bytes the server sends to a program that connects."""
    command = [*prefix, python_of_everybody(), "-c", CONNECT, str(path)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=their_env(), check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def children(pid: int) -> list[str]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in found if not is_forker(int(child)) and not is_blank(int(child))]


async def mount(engine: LocalEngine, task: Task, folder: Path, target: str) -> None:
    """Mount a directory of ours in the only sandbox of an engine."""
    zygote = engine.factory.zygote.pid
    until(lambda: len(children(zygote)) == 1, "that of the engine's start is gone")
    (process,) = children(zygote)
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", MOUNT, process, str(folder), target], check=True
    )


async def test_a_program_of_a_sandbox_is_not_served(moded: LocalEngine, folder: Path) -> None:
    async with serving(moded, folder / "socket"):
        task = await moded.create(TaskSpec())
        await mount(moded, task, folder, "/mnt")

        assert await connect(folder / "socket") > 0
        done = await shell(task, f"python3 -c '{CONNECT}' /mnt/socket")

        assert done.out == "0\n", done
        await task.kill()


@pytest.mark.parametrize(
    "container",
    [["--pid", "--fork"], ["--user", "--map-root-user"], ["--user", "--pid", "--fork"]],
    ids=" ".join,
)
async def test_a_program_of_a_container_is_not_served(path: Path, container: list[str]) -> None:
    assert await connect(path) > 0
    assert await connect(path, "unshare", *container) == 0
    assert await connect(path, "unshare", "--mount", "--net", "--ipc") > 0


async def test_another_user_is_not_served(path: Path) -> None:
    user = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"]
    assert await connect(path, *user) == 0


class FromOutside(socket.socket):
    """A connection of a process that is in no pid namespace below ours."""

    def getsockopt(self, *_: int) -> bytes:  # type: ignore[override]
        return struct.pack("iII", 0, os.geteuid(), os.getegid())


async def test_a_program_outside_of_our_container_is_not_served() -> None:
    with FromOutside(socket.AF_UNIX) as sock:
        assert peers.refusal(sock) == "it is not in our pid namespace"


async def test_a_container_in_a_test_is_told_that_the_run_is_outside_of_it() -> None:
    run = Run.create()
    try:
        run.announce()
        code = "import sys; from pytest_sandbox._run.run import Run; Run.join(sys.argv[1])"
        done = await asyncio.to_thread(
            subprocess.run,
            [
                "unshare",
                "--user",
                "--map-root-user",
                sys.executable,
                "-c",
                code,
                str(run.directory),
            ],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        run.close()
    assert "is outside of the container that this process is in" in done.stderr
