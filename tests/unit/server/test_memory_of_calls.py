"""What the server remembers of sandboxes that are gone: a bounded number, and little of each."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Stream

from pytest_sandbox import Faults
from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox.engine import EndCause, StoreFull, TaskEnd, TaskLost, TaskSpec
from pytest_sandbox.fakes import FakeEngine, settle
from pytest_sandbox.server.rpc.call import ServedCall

from .engines import GatedEngine, GatedTask
from .harness import UNIX, Harness, refused, serve

pytestmark = pytest.mark.asyncio

#: How many sandboxes and calls the server remembers in these tests.
FEW = 10
MODEL, RPC = "pytest_sandbox.server.model", "pytest_sandbox.server.rpc"


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is bounded by a number is full soon."""
    monkeypatch.setattr(f"{MODEL}.sandboxes.FINISHED_SANDBOXES", FEW)
    monkeypatch.setattr(f"{RPC}.auth.KNOWN_TOKENS", FEW)
    monkeypatch.setattr("h2.connection.H2Connection.MAX_CLOSED_STREAMS", FEW)  # of the client too
    monkeypatch.setattr(f"{RPC}.idempotency.Outcomes.__init__.__defaults__", (FEW,))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    engine = FakeEngine()
    engine.on_exec("true")
    async with serve(engine, UNIX) as harness:
        yield harness


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def lifecycle(server: Harness, number: int) -> None:
    sandbox = await server.create(metadata={"x-idempotency-key": f"{number}"})
    command = await server.exec(sandbox, "true")
    assert await server.output(sandbox, command) == b""
    assert (await server.code(sandbox, command)).code == 0
    await server.terminate(sandbox)


async def test_memory_does_not_grow_with_sandboxes_that_are_gone(
    little_memory: None, server: Harness, traced: None
) -> None:
    sizes = []
    for number in range(180):
        await lifecycle(server, number)
        if number % 60 == 59:
            await asyncio.sleep(0)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    # Less than 100 bytes for each; what is remembered of the last ones is full at first.
    assert sizes[2] - sizes[1] < 60 * 100, sizes


@pytest.fixture
def of_others() -> list[Stream[Any, Any]]:
    """What tests before this one hold."""
    return streams()


def streams() -> list[Stream[Any, Any]]:
    """Those of servers that are alive."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Stream)]


async def test_no_call_that_has_ended_holds_its_stream(
    of_others: list[Stream[Any, Any]], server: Harness
) -> None:
    for number in range(5):
        await lifecycle(server, number)
    assert len(streams()) == len(of_others)
    alive = gc.get_objects()
    # Outcomes are remembered, for clients that repeat a call; what they came by is not.
    assert len([each for each in alive if type(each) is ServedCall]) >= 5
    done = [each for each in alive if isinstance(each, asyncio.Task) and each.done()]
    coroutines = {str(getattr(each.get_coro(), "__qualname__", "")) for each in done}
    assert not {name for name in coroutines if name.startswith(("ServedSandbox", "Dispatch"))}
    assert "CommandExecution._watch" not in coroutines
    assert "Lifetime._wait" not in coroutines


async def test_a_call_that_was_not_answered_does_not_hold_what_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{MODEL}.sandboxes.FINISHED_SANDBOXES", 1)
    async with serve(FakeEngine(), UNIX) as server:
        Faults(server.app.faults).on("SandboxCreate").drop_response()
        hint = {"x-idempotency-key": "one", "x-sandbox-another": "1"}
        with pytest.raises(StreamTerminatedError):
            await server.create(workdir="/lost", metadata=hint)
        assert len(specifications("/lost")) > 0
        (lost,) = [each.id for each in server.app.state.sandboxes.running()]
        request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=lost)
        await server.control.SandboxTerminate(request)
        await server.terminate(await server.create())
        assert server.app.state.sandboxes.has_forgotten(lost)
        await settle()
        assert specifications("/lost") == []


def specifications(workdir: str) -> list[TaskSpec]:
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) is TaskSpec]
    return [each for each in alive if each.workdir == workdir]


class Losing(GatedEngine):
    """An engine whose machine goes."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    async def create(self, spec: TaskSpec) -> GatedTask:
        task = await super().create(spec)

        async def wait() -> TaskEnd:
            await self.gone.wait()
            return TaskEnd(EndCause.LOST, lost=TaskLost("its machine is gone"))

        task.wait = wait  # type: ignore[method-assign]
        return task


async def test_no_call_that_failed_is_held_by_the_reason(of_others: list[Stream[Any, Any]]) -> None:
    """Nobody knows how a sandbox ended, or what a command wrote: that is said to whoever asks."""
    engine = Losing()
    async with serve(engine, UNIX) as server:
        sandbox = await server.create()
        command = await server.exec(sandbox, "sleep", "1000")
        sandbox.task.processes[-1].stdout.fail(StoreFull("there is no room"))
        engine.gone.set()
        for _ in range(3):
            with refused(Status.RESOURCE_EXHAUSTED, "no room"):
                await server.output(sandbox, command)
            with refused(Status.NOT_FOUND, "its machine is gone"):
                await server.wait(sandbox)
        assert len(streams()) == len(of_others)
