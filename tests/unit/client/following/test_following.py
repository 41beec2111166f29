"""A command takes one call, which stands for several."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._proto.router_pb2 import TaskExecStartRequest
from pytest_sandbox.client import Sandbox, exceptions
from pytest_sandbox.client.process import following
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.engine import StoreFull
from pytest_sandbox.server.own import call_follower

from ..command_stubs import DONE, STARTED, WRITTEN, Serve, access_control, reads
from ..stubs import router
from .calls import echo, of, settled, tell

if TYPE_CHECKING:
    from pytest_sandbox.client.transport.channels import Channels
    from pytest_sandbox.inmemory import FakeSandboxes

MIB = 1024 * 1024


# How many calls


def test_run_is_one_call(either: FakeSandboxes, calls: list[Channels]) -> None:
    either.on_exec("echo-it").calls(echo)
    sandbox = Sandbox.create()
    calls.clear()

    done = sandbox.run("echo-it", input="word")

    assert (done.stdout, done.stderr, done.returncode) == ("word", "word", 3)
    assert of(either, calls) == 1


def test_exec_read_and_wait_are_one_call(either: FakeSandboxes, calls: list[Channels]) -> None:
    sandbox = Sandbox.create()
    calls.clear()

    process = sandbox.exec("sh", "-c", "echo out; echo err >&2; exit 3")

    assert (process.stdout.read(), process.stderr.read()) == ("out\n", "err\n")
    assert (process.wait(), of(either, calls)) == (3, 1)


def test_input_that_is_too_large_goes_by_calls_of_its_own(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_INPUT", 3)
    monkeypatch.setattr("pytest_sandbox.client.process.task_calls.MOST_INPUT", 3)
    either.on_exec("echo-it").calls(echo)

    assert Sandbox.create().run("echo-it", input="word").stdout == "word"


def test_a_server_without_the_call_is_asked_once(serve: Serve, calls: list[Channels]) -> None:
    commands = router(
        TaskExecStart=STARTED,
        TaskExecWait=DONE,
        TaskExecStdioRead=reads(b"out"),
        TaskExecStdinWrite=WRITTEN,
    )
    sandbox = Sandbox("sb-1", serve(access_control(), commands))
    sandbox.exec("true").wait()
    calls.clear()

    assert sandbox.run("true").stdout == "out"
    assert len(calls) == len(commands.asked) - 2 == 5


def test_only_some_commands_are_followed(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.process.task_calls.MOST", 1)
    sandbox = Sandbox.create()
    processes = [sandbox.exec("cat") for _ in range(3)]

    assert len(either.client.calls.followed) == 1
    for process in processes:
        process.stdin.write("word")
        process.stdin.write_eof()
        process.stdin.drain()
    assert [process.stdout.read() for process in processes] == ["word"] * 3


def test_commands_that_have_ended_are_not_counted(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.process.task_calls.MOST", 1)
    monkeypatch.setattr("pytest_sandbox.client.transport.open_calls.MOST_ENDED", 1)
    sandbox = Sandbox.create()
    processes = []
    for number in range(3):
        processes.append(sandbox.exec("sh", "-c", f"echo {number}; exit {number}"))
        assert processes[-1].wait() == number
        assert len(either.client.calls.followed) == 0

    open_calls = [process._execution.following for process in processes]  # type: ignore[attr-defined]
    assert [call.over for call in open_calls] == [True, True, False]
    inspector = either.client.inspector
    first = inspector.record_start()
    assert [process.stdout.read() for process in processes] == ["0\n", "1\n", "2\n"]
    made = inspector.record(first).records
    assert [record.rpc for record in made] == ["TaskExecStdioRead"] * 3


def test_commands_that_start_at_once_are_counted(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.process.task_calls.MOST", 2)
    sandbox = Sandbox.create()

    async def start() -> list[Any]:
        return await asyncio.gather(*(sandbox.exec.aio("cat") for _ in range(5)))

    processes = asyncio.run(start())

    assert len(either.client.calls.followed) == 2
    assert sum(process._execution.following is not None for process in processes) == 2


def test_a_command_that_nobody_can_ask_for_is_not_followed(either: FakeSandboxes) -> None:
    process = Sandbox.create().exec("cat")
    settled()
    assert len(either.client.calls.followed) == 1

    del process

    settled()
    assert len(either.client.calls.followed) == 0


def test_a_call_that_is_closed_before_it_is_made_is_over(ahead: FakeSandboxes) -> None:
    async def begin_and_close() -> bool:
        calls = ahead.client.calls
        followed = following.Following(calls, {}, TaskExecStartRequest(), None)
        followed.close()
        return await followed.begun()

    assert not portal().run(begin_and_close)


# Flow control


def test_a_little_of_unread_output_comes_ahead(
    ahead: FakeSandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead.on_exec("much").reply(stdout=b"x" * MIB, stderr="err")
    sandbox = Sandbox.create()
    process = sandbox.exec("much", text=False)

    assert process.wait() == 0
    assert process.stderr.read() == b"err"
    (execution,) = server_side(ahead)
    log = execution.process.stdout
    execution_here: Any = process._execution
    came = execution_here.following._streams[1].data
    assert (len(came), log.end, log.full) == (call_follower.AHEAD, MIB, False)
    monkeypatch.setattr(type(log), "capacity", MIB)
    assert process.stdout.read() == b"x" * MIB


def server_side(fake: FakeSandboxes) -> list[Any]:
    (sandbox,) = fake._app.state.sandboxes.all()
    return sandbox.commands.started


def test_a_program_whose_output_is_not_read_waits(ahead: FakeSandboxes) -> None:
    """What is sent ahead does not count as read."""
    process = Sandbox.create().exec("sh", "-c", "echo out; cat")
    settled()
    (execution,) = server_side(ahead)
    log = execution.process.stdout
    log._capacity = log.end  # as large as what is unread

    assert log.full
    assert next(process.stdout) == "out\n"
    tell(process)
    assert not log.full


def test_a_stream_that_is_read_does_not_hold_back_another(either: FakeSandboxes) -> None:
    either.on_exec("both").reply(stdout=b"x" * 9 * MIB, stderr=b"y" * 9 * MIB)
    process = Sandbox.create().exec("both", text=False)

    first = next(process.stdout)
    assert process.stderr.read() == b"y" * 9 * MIB
    assert process.wait() == 0
    assert first + process.stdout.read() == b"x" * 9 * MIB


def test_output_that_is_lost_is_an_error(either: FakeSandboxes) -> None:
    process = Sandbox.create().exec("sh", "-c", "echo out; sleep 1")
    settled()
    (execution,) = server_side(either)
    execution.process.stdout.fail(StoreFull("no room"))

    assert next(process.stdout) == "out\n"
    with pytest.raises(exceptions.ResourceExhaustedError, match="no room"):
        process.stdout.read()
    assert process.wait() == 0
