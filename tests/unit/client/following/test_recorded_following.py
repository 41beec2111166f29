"""What one call stands for is recorded, disturbed, and noticed as if it were made."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.client import Sandbox

from .calls import settled, tell

if TYPE_CHECKING:
    from pytest_sandbox.inmemory import FakeSandboxes


def names(fake: FakeSandboxes) -> list[str]:
    return [call.rpc for call in fake.rpcs if call.rpc.startswith("TaskExec")]


# Where calls are looked at


def test_the_calls_of_run_are_recorded(fake: FakeSandboxes) -> None:
    Sandbox.create().run("cat", input="word")

    start, wait, out, err, write = (call for call in fake.rpcs if call.rpc.startswith("TaskExec"))
    assert (start.rpc, list(start.command_args)) == ("TaskExecStart", ["cat"])
    assert (wait.rpc, wait.response.code) == ("TaskExecWait", 0)
    assert (out.rpc, out.file_descriptor, out.response.data) == ("TaskExecStdioRead", 0, b"word")
    assert (err.rpc, err.file_descriptor, err.responses) == ("TaskExecStdioRead", 1, ())
    assert (write.rpc, write.data, write.eof) == ("TaskExecStdinWrite", b"word", True)
    assert {call.status for call in (start, wait, out, err, write)} == {"OK"}
    assert {call.exec_id for call in (wait, out, err, write)} == {start.exec_id}
    assert start.metadata == out.metadata
    assert {sandbox for call in fake.rpcs.of("TaskExecWait") for sandbox in call.sandbox_ids}


def test_input_that_is_not_read_is_recorded_as_refused(fake: FakeSandboxes) -> None:
    Sandbox.create().run("sh", "-c", "exec <&-; sleep .2", input=b"x" * 200_000)

    assert fake.rpcs.of("TaskExecStdinWrite").one().status == "FAILED_PRECONDITION"


def test_calls_are_recorded_when_they_are_made(fake: FakeSandboxes) -> None:
    process = Sandbox.create().exec("sh", "-c", "echo out; exit 3")
    settled()
    assert names(fake) == ["TaskExecStart"]
    process.stdout.read()
    assert names(fake)[1:] == ["TaskExecStdioRead"]
    process.wait()
    process.stderr.read()

    assert names(fake)[2:] == ["TaskExecWait", "TaskExecStdioRead"]
    assert fake.rpcs.of("TaskExecStdioRead").first.response.data == b"out\n"
    assert fake.rpcs.of("TaskExecWait").one().response.code == 3


def test_calls_that_are_given_up_are_recorded_as_such(fake: FakeSandboxes) -> None:
    fake.clock.autojump = False
    process = Sandbox.create().exec("cat")

    async def give_up() -> None:
        for step in (process.wait, process.poll):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(step.aio(), 0.05)

    asyncio.run(give_up())
    settled()

    assert fake.rpcs.of("TaskExecWait").one().status == "CANCELLED"
    process.stdin.write_eof()
    process.stdin.drain()
    assert process.wait() == 0


@pytest.mark.parametrize("ended", [True, False])
def test_calls_are_recorded_from_the_moment_on(ahead: FakeSandboxes, ended: bool) -> None:
    process = Sandbox.create().exec("sh", "-c", "echo out" if ended else "echo out; sleep 1")
    settled()
    inspector = ahead.client.inspector
    first = inspector.record_start()

    assert (process.stdout.read(), process.wait()) == ("out\n", 0)
    made = inspector.record(first).records
    assert [record.rpc for record in made] == ["TaskExecStdioRead", "TaskExecWait"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_fault_hits_calls_of_a_command_that_runs(either: FakeSandboxes, ended: bool) -> None:
    process = Sandbox.create().exec("sh", "-c", "echo out" if ended else "echo out; sleep 1")
    settled()
    fault = either.faults.on("TaskExecStdioRead").cut_stream(after_bytes=1)
    other = either.faults.on("TaskExecWait").status("UNAVAILABLE")

    assert (process.stdout.read(), process.wait()) == ("out\n", 0)
    assert (fault.fired, other.fired) == (1, 1)


def test_a_poll_is_recorded(either: FakeSandboxes) -> None:
    process = Sandbox.create().exec("true")
    settled()
    inspector = either.client.inspector
    first = inspector.record_start()

    assert process.poll() == 0
    assert [record.rpc for record in inspector.record(first).records] == ["TaskExecPoll"]


def test_a_fault_hits_a_poll_of_a_code_that_came_ahead(either: FakeSandboxes) -> None:
    process = Sandbox.create().exec("true")
    settled()
    fault = either.faults.on("TaskExecPoll").status("UNAVAILABLE")

    assert (process.poll(), fault.fired) == (0, 1)


def test_a_fault_does_not_hit_a_call_that_is_under_way(either: FakeSandboxes) -> None:
    either.clock.autojump = False
    process = Sandbox.create().exec("sh", "-c", "echo out; cat")
    assert next(process.stdout) == "out\n"
    tell(process)
    fault = either.faults.on("TaskExecStdioRead").status("PERMISSION_DENIED").optional()

    process.stdin.write("more")
    process.stdin.write_eof()
    process.stdin.drain()

    assert next(process.stdout) == "more"
    assert fault.fired == 0


# What nobody asks for


@pytest.mark.parametrize("ask", ["nothing", "wait", "read"])
def test_a_failure_counts_as_noticed_when_it_is_asked_for(either: FakeSandboxes, ask: str) -> None:
    process = Sandbox.create().exec("sh", "-c", "echo out; exit 3")
    settled()
    if ask == "wait":
        process.wait()
    elif ask == "read":
        process.stdout.read()
    settled()

    (served,) = either._app.state.sandboxes.all()
    assert bool(served.unnoticed_commands()) == (ask == "nothing")


@pytest.mark.parametrize("ask", ["nothing", "wait", "poll"])
def test_a_command_that_runs_counts_as_noticed_when_it_is_asked_for(
    either: FakeSandboxes, ask: str
) -> None:
    either.clock.autojump = False
    process = Sandbox.create().exec("cat")

    async def give_up() -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(getattr(process, ask).aio(), 0.05)

    if ask != "nothing":
        asyncio.run(give_up())
    settled()

    (served,) = either._app.state.sandboxes.all()
    assert bool(served.unnoticed_commands()) == (ask == "nothing")
