"""What the server remembers of sandboxes that are gone: a bounded number, and little of each."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from grpclib.server import Stream

from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.server.rpc.call import ServedCall

from .harness import UNIX, Harness, serve

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


async def test_no_call_that_has_ended_holds_its_stream(server: Harness) -> None:
    gc.collect()
    of_others = {id(each): each for each in gc.get_objects() if isinstance(each, Stream)}
    for number in range(5):
        await lifecycle(server, number)
    gc.collect()
    alive = gc.get_objects()
    # Outcomes are remembered, for clients that repeat a call; what they came by is not.
    assert len([each for each in alive if type(each) is ServedCall]) >= 5
    assert not [each for each in alive if isinstance(each, Stream) and id(each) not in of_others]
    done = [each for each in alive if isinstance(each, asyncio.Task) and each.done()]
    coroutines = {str(getattr(each.get_coro(), "__qualname__", "")) for each in done}
    assert not {name for name in coroutines if name.startswith(("ServedSandbox", "Dispatch"))}
    assert "CommandExecution._watch" not in coroutines
    assert "Lifetime._wait" not in coroutines
