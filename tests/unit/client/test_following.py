"""A command takes one call, which stands for several; these go on wherever it ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox._proto.router_pb2 import TaskExecStartRequest
from pytest_sandbox.client import Sandbox, exceptions
from pytest_sandbox.client.process import following
from pytest_sandbox.client.transport.channels import Channels
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.engine import StoreFull
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.server.own import follower
from pytest_sandbox.server.own.following import FollowServicer

from .command_stubs import DONE, STARTED, WRITTEN, Serve, access_control, reads
from .stubs import router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

MIB = 1024 * 1024


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(allow=["unwaited-processes"]) as fake:
        yield fake


@pytest.fixture(params=["recorded", "ahead"])
def either(fake: FakeSandboxes, request: pytest.FixtureRequest) -> FakeSandboxes:
    """With calls recorded, or without: then output is sent before it is asked for."""
    if request.param == "ahead":
        fake.rpcs.close()
    return fake


@pytest.fixture
def ahead(fake: FakeSandboxes) -> FakeSandboxes:
    fake.rpcs.close()
    return fake


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Channels]:
    """For each call on the wire, of whichever client, what it was made through."""
    made: list[Channels] = []
    link = Channels.link

    @contextlib.contextmanager
    def counted(self: Channels) -> Iterator[Any]:
        made.append(self)
        with link(self) as each:
            yield each

    monkeypatch.setattr(Channels, "link", counted)
    return made


def of(fake: FakeSandboxes, calls: list[Channels]) -> int:
    """How many calls its client made."""
    return sum(each is fake.client.calls._channels for each in calls)


async def echo(call: Any) -> int:
    """Writes what it reads to both streams, and fails."""
    data = await call.read_all()
    call.out(data)
    call.err(data)
    return 3


def settled() -> None:
    """Let everything happen that needs no time."""

    async def settle() -> None:
        await asyncio.get_running_loop().settled()  # type: ignore[attr-defined]

    portal().run(settle)


def tell(process: Any) -> None:
    """Have the server told what is asked for, without the moment in which it may come."""

    async def tell() -> None:
        process._execution.following._tell()

    portal().run(tell)
    settled()


def names(fake: FakeSandboxes) -> list[str]:
    return [call.rpc for call in fake.rpcs if call.rpc.startswith("TaskExec")]


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
    assert (len(came), log.end, log.full) == (follower.AHEAD, MIB, False)
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


# Where it breaks off


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have each `ExecFollow` break off before it has sent so many responses."""

    def cut(after: int) -> None:
        whole = FollowServicer.ExecFollow

        @functools.wraps(whole)
        async def broken(self: Any, requests: Any, call: Any) -> AsyncIterator[Any]:
            left = after
            async with contextlib.aclosing(whole(self, requests, call)) as responses:  # type: ignore[type-var]
                async for response in responses:
                    if not left:
                        raise GRPCError(Status.UNAVAILABLE, "the connection broke")
                    left -= 1
                    yield response

        monkeypatch.setattr(FollowServicer, "ExecFollow", broken)

    return cut


@pytest.fixture
def starts(either: FakeSandboxes) -> list[None]:
    """One item for each start of `slowly`, which writes to both streams in turn."""
    starts: list[None] = []

    async def slowly(call: Any) -> int:
        starts.append(None)
        data = await call.read_all()
        call.out(data)
        for number in range(3):
            await call.sleep(1)
            (call.err if number % 2 else call.out)(str(number))
        return 3

    either.on_exec("slowly").calls(slowly)
    return starts


@pytest.mark.parametrize("after", range(6))
def test_run_goes_on_where_it_was_cut(
    starts: list[None], cut: Callable[[int], None], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_HELD", 1)
    cut(after)

    done = Sandbox.create().run("slowly", input="in")

    assert (done.stdout, done.stderr, done.returncode) == ("in02", "1", 3)
    assert len(starts) == 1


@pytest.mark.parametrize("after", range(6))
def test_exec_goes_on_where_it_was_cut(
    starts: list[None], cut: Callable[[int], None], after: int
) -> None:
    cut(after)

    process = Sandbox.create().exec("slowly")
    process.stdin.write("in")
    process.stdin.write_eof()
    process.stdin.drain()

    assert (process.stdout.read(), process.wait(), process.stderr.read()) == ("in02", 3, "1")
    assert len(starts) == 1


def test_run_waits_for_a_command_that_takes_its_time(
    either: FakeSandboxes, calls: list[Channels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_STARTED_AFTER", 0.01)
    monkeypatch.setattr("pytest_sandbox.client.process.open_stream._ANSWER", 0.1)
    overdue: list[None] = []

    async def slowly(call: Any) -> int:
        await asyncio.to_thread(threading.Event().wait, 0.3)
        overdue.append(None)
        return 3

    either.on_exec("slowly").calls(slowly)
    sandbox = Sandbox.create()
    calls.clear()

    assert sandbox.run("slowly").returncode == 3
    assert (of(either, calls), len(overdue)) == (1, 1)


@pytest.mark.parametrize("way", ["run", "exec"])
def test_a_start_that_hangs_is_tried_again_by_a_call_with_a_deadline(
    either: FakeSandboxes, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("pytest_sandbox.client.process.open_stream._ANSWER", 0.01)
    start = FollowServicer._started
    given_up: list[None] = []

    async def hang(self: FollowServicer, *args: Any) -> Any:
        try:
            await asyncio.to_thread(threading.Event().wait, 0.3)  # meanwhile, no time passes
        except asyncio.CancelledError:
            given_up.append(None)
            raise
        return await start(self, *args)

    monkeypatch.setattr(FollowServicer, "_started", hang)
    sandbox = Sandbox.create()

    if way == "run":
        assert sandbox.run("sh", "-c", "exit 3").returncode == 3
    else:
        assert sandbox.exec("sh", "-c", "exit 3").wait() == 3
    assert len(given_up) == 1


def test_a_command_that_cannot_start_is_tried_once(either: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    for start in (sandbox.exec, sandbox.run):
        with pytest.raises(exceptions.InvalidError, match="no-such"):
            start("/no-such")
    (served,) = either._app.state.sandboxes.all()
    assert len(served.commands.failed_starts) == 2


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
