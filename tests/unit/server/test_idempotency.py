"""Attempts to make one call: the same key is the same call, which is made once."""

import asyncio

import pytest

from pytest_sandbox.fakes import settle
from pytest_sandbox.server.rpc.idempotency import Outcomes

from .harness import Harness


@pytest.mark.asyncio
async def test_the_same_key_creates_one_sandbox_and_gets_the_same_answer(server: Harness) -> None:
    key = {"x-idempotency-key": "k1"}
    first = await server.create(metadata=key)
    again = await server.create(metadata=key)
    assert (again.id, again.auth) == (first.id, first.auth)
    assert len(server.engine.tasks) == 1


@pytest.mark.asyncio
async def test_a_call_given_up_in_the_middle_is_found_by_its_next_attempt(server: Harness) -> None:
    await server.image_id()
    await server.app_id()
    key = {"x-idempotency-key": "k2"}
    server.engine.gate.clear()
    first = asyncio.ensure_future(server.create(metadata=key))
    await server.engine.waiting.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.engine.gate.set()
    await server.create(metadata=key)
    assert len(server.engine.tasks) == 1


@pytest.mark.asyncio
async def test_a_creation_given_up_without_a_key_leaves_no_task(server: Harness) -> None:
    await server.image_id()
    await server.app_id()
    server.engine.gate.clear()
    call = asyncio.ensure_future(server.create())
    await server.engine.waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settle()
    server.engine.gate.set()
    await settle()
    (task,) = server.engine.tasks
    assert task.poll() is not None
    assert not server.app.state.sandboxes.all()


@pytest.mark.asyncio
async def test_a_failure_is_not_remembered_and_old_outcomes_are_forgotten() -> None:
    outcomes: Outcomes[int] = Outcomes(capacity=2)
    calls: list[str] = []

    async def run(name: str) -> int:
        calls.append(name)
        if len(calls) == 1:
            raise ValueError("first")
        return len(calls)

    with pytest.raises(ValueError, match="first"):
        await outcomes.once("Rpc", "a", lambda: run("a"))
    assert await outcomes.once("Rpc", "a", lambda: run("a")) == 2
    assert await outcomes.once("Rpc", "a", lambda: run("a")) == 2
    assert await outcomes.once("Other", "a", lambda: run("other")) == 3
    assert await outcomes.once("Rpc", "b", lambda: run("b")) == 4
    assert await outcomes.once("Rpc", "c", lambda: run("c")) == 5
    assert await outcomes.once("Rpc", "a", lambda: run("a")) == 6


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [asyncio.CancelledError, pytest.fail.Exception])
async def test_whatever_ends_a_call_reaches_all_that_wait_for_it(end: type[BaseException]) -> None:
    outcomes: Outcomes[str] = Outcomes()

    async def run() -> str:
        await asyncio.sleep(0)
        raise end

    async def again() -> str:
        return "again"

    attempts = [asyncio.ensure_future(outcomes.once("Rpc", "a", run)) for _ in range(2)]
    await settle()
    assert [each.done() for each in attempts] == [True, True]
    for each in attempts:
        with pytest.raises(end):
            await each
    assert await outcomes.once("Rpc", "a", again) == "again"


@pytest.mark.asyncio
async def test_calls_of_another_rpc_evict_no_outcome() -> None:
    outcomes: Outcomes[str] = Outcomes(capacity=2)

    async def run(name: str) -> str:
        return name

    assert await outcomes.once("SandboxCreate", "a", lambda: run("first")) == "first"
    for key in "abc":
        await outcomes.once("ContainerFilesystemExec", key, lambda: run("file"))
    assert await outcomes.once("SandboxCreate", "a", lambda: run("again")) == "first"


@pytest.mark.asyncio
async def test_who_waits_for_a_call_is_cancelled_without_it_and_without_others() -> None:
    outcomes: Outcomes[str] = Outcomes()
    gate = asyncio.Event()

    async def run() -> str:
        await gate.wait()
        return "done"

    first, second = [asyncio.ensure_future(outcomes.once("Rpc", "a", run)) for _ in range(2)]
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert not second.done()
    gate.set()
    assert await second == "done"
    gate.clear()
    assert await outcomes.once("Rpc", "a", run) == "done"


@pytest.mark.asyncio
async def test_a_call_under_way_is_not_evicted() -> None:
    outcomes: Outcomes[str] = Outcomes(capacity=2)
    gate = asyncio.Event()

    async def run(name: str) -> str:
        await gate.wait()
        return name

    attempts = [asyncio.ensure_future(outcomes.once("Rpc", "a", lambda: run("first")))]
    attempts += [
        asyncio.ensure_future(outcomes.once("Rpc", key, lambda: run("other"))) for key in "bcd"
    ]
    await settle()
    attempts.append(asyncio.ensure_future(outcomes.once("Rpc", "a", lambda: run("again"))))
    gate.set()
    assert await asyncio.gather(*attempts) == ["first", "other", "other", "other", "first"]
