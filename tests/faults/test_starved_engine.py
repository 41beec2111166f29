"""An engine process that runs out of something says so, and recovers when there is some again."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox, exceptions

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Machine = Any  # of conftest.py
Until = Callable[[Callable[[], bool]], None]

MIB = 2**20


@contextmanager
def starved(pid: int, what: int, soft: int) -> Iterator[None]:
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


def end_all(sandboxes: list[Sandbox]) -> None:
    for sandbox in sandboxes:
        sandbox.terminate()
        sandbox.wait(raise_on_termination=False)


def test_no_descriptor_for_another_sandbox(machine: Machine, client: Client) -> None:
    sandboxes: list[Sandbox] = []

    def create_more() -> None:
        sandboxes.extend(Sandbox.create("cat", client=client) for _ in range(100))

    with starved(machine.server.pid, resource.RLIMIT_NOFILE, 60):
        with pytest.raises(exceptions.ResourceExhaustedError):
            create_more()
        assert sandboxes
        sandboxes.pop().terminate()
        assert sandboxes[0].filesystem.list_files("/tmp") == []
    assert sandboxes[0].run("echo", "fine").stdout == "fine\n"
    end_all(sandboxes)


def test_no_descriptor_for_another_command(machine: Machine, client: Client) -> None:
    sandbox = Sandbox.create(client=client)

    def start_more() -> None:
        for _ in range(100):
            sandbox.exec("cat")

    with (
        starved(machine.server.pid, resource.RLIMIT_NOFILE, 60),
        pytest.raises((exceptions.ResourceExhaustedError, exceptions.InvalidError)),
    ):
        start_more()
    assert sandbox.run("echo", "fine").stdout == "fine\n"
    end_all([sandbox])


def test_no_room_for_output_is_an_error_of_the_reader(machine: Machine, client: Client) -> None:
    sandbox = Sandbox.create(client=client)
    with starved(machine.server.pid, resource.RLIMIT_FSIZE, MIB):
        process = sandbox.exec("head", "-c", str(5 * MIB), "/dev/zero", text=False)
        assert process.wait() == 0
        with pytest.raises(exceptions.ResourceExhaustedError, match="lost"):
            process.stdout.read()
    assert len(sandbox.run("head", "-c", str(5 * MIB), "/dev/zero").stdout) == 5 * MIB
    end_all([sandbox])
