"""A command whose caller gave up is killed, as `subprocess.run` kills its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Client, Sandbox, exceptions
from pytest_sandbox.client.process.task_calls import TaskCalls
from pytest_sandbox.client.transport.portal import close_portal

from .giving_up import GIVING_UP, Moment, interrupted, timed_out_in_asyncio, timed_out_in_trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_sandbox._run import Run as EngineRun

COMMAND = ("sh", "-c", "touch /tmp/began; sleep 7777; true")
LOOK = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep 777[7]' || true"

KILL = "kill -9 $(grep -al '777[7]' /proc/[0-9]*/cmdline | cut -d/ -f3)"


@pytest.fixture(params=["router", "control plane"])
def sandbox(
    client: Client, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    if request.param == "control plane":

        async def routed(self: TaskCalls) -> bool:
            return False

        monkeypatch.setattr(TaskCalls, "routed", routed)
    sandbox = Sandbox.create(client=client)
    yield sandbox
    sandbox.terminate()


class Run:
    """A step to give up: `run`, once the command has begun."""

    def __init__(self, sandbox: Sandbox, **options: Any) -> None:
        self._sandbox = sandbox
        self._options = options

    def __call__(self) -> object:
        return self._sandbox.run(*COMMAND, **self._options)

    async def aio(self) -> object:
        return await self._sandbox.run.aio(*COMMAND, **self._options)


def until_gone(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + 20
    while left := sandbox.run("sh", "-c", LOOK).stdout:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


@pytest.mark.parametrize("give_up", GIVING_UP)
def test_a_run_that_is_given_up_kills_its_command(sandbox: Sandbox, give_up: Any) -> None:
    give_up(Run(sandbox))

    until_gone(sandbox)


def when(condition: Callable[[], bool]) -> Moment:
    """A moment, found by a thread that asks for it."""

    @contextlib.contextmanager
    def moment(then: Callable[[], object]) -> Iterator[None]:
        def wait() -> None:
            while not condition():
                time.sleep(0.02)
            then()

        thread = threading.Thread(target=wait)
        thread.start()
        yield
        thread.join()

    return moment


def when_begun(sandbox: Sandbox) -> Moment:
    return when(lambda: not sandbox.run("test", "-e", "/tmp/began").returncode)


@pytest.mark.parametrize("give_up", [timed_out_in_asyncio, timed_out_in_trio])
def test_a_run_that_is_given_up_kills_a_command_that_has_begun(
    sandbox: Sandbox, give_up: Any
) -> None:
    give_up(Run(sandbox), when_begun(sandbox))

    until_gone(sandbox)


def test_an_interrupt_kills_a_command_that_has_begun(sandbox: Sandbox) -> None:
    interrupted(Run(sandbox, input="x" * 4_000_000), when_begun(sandbox))

    until_gone(sandbox)


def test_an_error_of_a_signal_handler_kills_it(sandbox: Sandbox) -> None:
    """As that of pytest-timeout does."""

    def fail(*_: object) -> None:
        raise TimeoutError("the test took too long")

    main = threading.main_thread().ident or 0
    before = signal.signal(signal.SIGALRM, fail)
    try:
        with (
            when_begun(sandbox)(lambda: signal.pthread_kill(main, signal.SIGALRM)),
            pytest.raises(TimeoutError, match="the test took too long"),
        ):
            sandbox.run(*COMMAND)
    finally:
        signal.signal(signal.SIGALRM, before)

    until_gone(sandbox)


def test_a_timeout_kills_what_left_the_session(sandbox: Sandbox) -> None:
    with pytest.raises(exceptions.CommandTimeoutError):
        sandbox.run("sh", "-c", "setsid setsid -w sleep 7777 & wait", timeout=1)

    until_gone(sandbox)


def test_a_file_that_is_written_when_the_caller_gives_up_keeps_its_content(
    sandbox: Sandbox,
) -> None:
    content = b"x" * 200_000_000
    sandbox.filesystem.write_text("old", "/tmp/file")

    class Write:
        def __call__(self) -> None:
            sandbox.filesystem.write_bytes(content, "/tmp/file")

    interrupted(Write(), when(lambda: len(sandbox.ls("/tmp")) == 2))
    while sandbox.ls("/tmp") != ["file"]:
        time.sleep(0.02)

    assert sandbox.filesystem.read_text("/tmp/file") == "old"


class Exec(Run):
    """A step to give up: the start of a command."""

    def __call__(self) -> object:
        return self._sandbox.exec(*COMMAND)

    async def aio(self) -> object:
        return await self._sandbox.exec.aio(*COMMAND)


def test_an_exec_that_is_given_up_leaves_no_command_without_an_owner(sandbox: Sandbox) -> None:
    async def main() -> None:
        for _ in range(10):
            task = asyncio.ensure_future(Exec(sandbox).aio())
            await asyncio.sleep(0.001)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                continue
            # It was there before the cancellation, so the command has an owner.
            await sandbox.run.aio("sh", "-c", KILL)

    asyncio.run(main())

    until_gone(sandbox)


def test_a_program_that_ends_kills_what_it_gave_up_before(run: EngineRun, sandbox: Sandbox) -> None:
    address = run.socket()
    child = os.fork()
    if child == 0:
        try:
            mine = Sandbox.from_id(sandbox.object_id, Client(address))
            timed_out_in_asyncio(Run(mine), when_begun(mine))
            close_portal()  # as `atexit` does
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

    until_gone(sandbox)
