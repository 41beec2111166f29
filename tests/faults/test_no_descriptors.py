"""Each process of the engine runs out of descriptors, at each step of each operation.

What is asked for meanwhile ends with a documented error or succeeds. Nothing is left of it, and it
works as soon as there are descriptors again.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions

Machine = Any  # of conftest.py

#: What the engine may say while it has no descriptors; a file operation, what the kernel said.
REFUSALS = (exceptions.ResourceExhaustedError, exceptions.SandboxFilesystemError, OSError)


def limits(pid: int) -> tuple[int, int]:
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()
        if line.startswith("Max open files")
    ]
    soft, hard = line.split()[3:5]
    return int(soft), int(hard)


def set_limits(pid: int, both: tuple[int, int]) -> None:
    """As a process with the ids of the other one, which needs no capability for it: prlimit(2)."""
    owner = Path(f"/proc/{pid}/status").read_text()
    uid, gid = (
        next(int(line.split()[1]) for line in owner.splitlines() if line.startswith(f"{kind}:"))
        for kind in ("Uid", "Gid")
    )
    if uid == os.geteuid():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, both)
        return
    code = f"import resource; resource.prlimit({pid}, resource.RLIMIT_NOFILE, {both})"
    subprocess.run(
        [python_for_all(), "-I", "-S", "-c", code],
        cwd="/",
        check=True,
        user=uid,
        group=gid,
        extra_groups=[],
    )


def python_for_all() -> str:
    """A Python that other users may run; this one may be in the home of root."""
    return next(path for path in ("/usr/bin/python3", sys.executable) if os.path.exists(path))


@contextmanager
def room_for(pid: int, count: int) -> Iterator[None]:
    """The process can open so many more descriptors, and no others."""
    opened = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = [number for number in range(len(opened) + count + 1) if number not in opened]
    before = limits(pid)
    set_limits(pid, (free[count], before[1]))
    try:
        yield
    finally:
        set_limits(pid, before)


def create(client: Client, sandbox: Sandbox) -> None:
    other = Sandbox.create(client=client)
    try:
        assert other.run("echo", "fine").stdout == "fine\n"
    finally:
        other.terminate()
        other.wait(raise_on_termination=False)


def execute(client: Client, sandbox: Sandbox) -> None:
    assert sandbox.run("echo", "fine").stdout == "fine\n"


def execute_on_terminal(client: Client, sandbox: Sandbox) -> None:
    process = sandbox.exec("echo", "fine", pty=True)
    process.wait()
    assert "fine" in process.stdout.read()


def write(client: Client, sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("x" * 100_000, "/tmp/file")
    assert len(sandbox.filesystem.read_text("/tmp/file")) == 100_000


def list_files(client: Client, sandbox: Sandbox) -> None:
    assert sandbox.filesystem.list_files("/")


def remove(client: Client, sandbox: Sandbox) -> None:
    sandbox.filesystem.make_directory("/tmp/a/b", create_parents=True)
    sandbox.filesystem.remove("/tmp/a", recursive=True)


def snapshot(client: Client, sandbox: Sandbox) -> None:
    sandbox.filesystem.write_text("x", "/root/kept")
    image = sandbox.snapshot_filesystem()
    copy = Sandbox.create(image=image, client=client)
    assert copy.run("cat", "/root/kept").stdout == "x"
    copy.terminate()
    copy.wait(raise_on_termination=False)


def snapshot_directory(client: Client, sandbox: Sandbox) -> None:
    sandbox.snapshot_directory("/tmp")


Operation = Callable[[Client, Sandbox], None]
INSIDE: list[Operation] = [execute, execute_on_terminal, write, list_files, remove]
PIDS: dict[str, Callable[[Machine], int]] = {
    "engine": lambda machine: machine.server.pid,
    "zygote": lambda machine: machine.zygote(),
    "agent": lambda machine: machine.agent(),
}


def refused_or_done(operation: Operation, client: Client, sandbox: Sandbox) -> None:
    try:
        operation(client, sandbox)
    except REFUSALS as refusal:
        assert "Too many open files" in str(refusal)  # noqa: PT017 - it may also succeed


@pytest.mark.parametrize(
    ("which", "count"),
    [
        *[("engine", count) for count in range(4)],
        *[("zygote", count) for count in range(0, 10, 3)],
        *[("agent", count) for count in range(4)],
    ],
)
@pytest.mark.usefixtures("nothing_is_left")
def test_what_there_is_no_descriptor_for_is_refused(
    machine: Machine, client: Client, which: str, count: int
) -> None:
    if which == "agent" and os.geteuid() != 0:
        pytest.skip("needs root: only that may look at an agent, which is not dumpable")
    sandbox = Sandbox.create(client=client)
    try:
        for operation in [*INSIDE, *([create] if which != "agent" else [])]:
            with room_for(PIDS[which](machine), count):
                refused_or_done(operation, client, sandbox)
            operation(client, sandbox)
    finally:
        sandbox.terminate()
        sandbox.wait(raise_on_termination=False)


@pytest.mark.parametrize("count", range(0, 8, 2))
def test_a_zygote_without_descriptors_loses_no_store(
    machine: Machine, client: Client, sandbox: Sandbox, count: int
) -> None:
    for operation in (snapshot, snapshot_directory):
        with room_for(machine.zygote(), count):
            refused_or_done(operation, client, sandbox)
        operation(client, sandbox)
