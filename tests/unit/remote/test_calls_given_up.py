"""Calls that are given up at any moment end at both sides, and leave nothing there."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import OutputLog, ProcessSpec, SystemClock, TaskSpec
from pytest_sandbox.engine.conformance.support import until
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote import loopback_engine
from pytest_sandbox.remote.far.orders import Orders
from pytest_sandbox.remote.far.reports import Reports
from pytest_sandbox.remote.far.service import FarService

from .stuck import StuckEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_sandbox.engine import Process, Task

#: Turns of the loop, in which everything that is begun here has begun.
_TURNS = 45


class Counted:
    """An engine behind both sides, whose calls are counted at each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ends: list[Any] = []
        self.tasks: list[Task] = []
        monkeypatch.setattr(FarService, "accept", self._noting(FarService.accept))
        self.engine = loopback_engine(self._make)
        self._engine: Any = self.engine

    def _noting(self, accept: Callable[..., Any]) -> Callable[..., Any]:
        def note(service: FarService) -> Any:
            self._ends.append(accept(service))
            return self._ends[-1]

        return note

    def _make(self) -> FakeEngine:
        tasks = self.tasks

        class Noting(FakeEngine):
            async def create(self, spec: TaskSpec) -> Any:
                tasks.append(await super().create(spec))
                return tasks[-1]

        return Noting(clock=SystemClock())

    @property
    def calls(self) -> tuple[int, ...]:
        """Those under way, here and there."""
        here = self._engine._connection.channel._protocol
        return tuple(
            len(streams)
            for end in (here, *self._ends)
            for streams in (end.processor.streams, end.connection._connection.streams)
        )

    async def settled(self, *, tasks: int) -> None:
        """Return when so many tasks live there, and only their calls are under way."""

        def settled() -> bool:
            living = sum(task.poll() is None for task in self.tasks)
            return living == tasks and set(self.calls) == {tasks}

        await until(settled, "no call is under way")


async def given_up_after(turns: int, work: Awaitable[Any]) -> Any:
    """What it gives, if it has ended by then."""
    working = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working])
    return None if working.cancelled() else working.result()


@pytest.mark.asyncio
async def test_one_that_creates_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Counted(monkeypatch)
    await there.engine.start()
    ended = 0
    for turns in range(_TURNS):
        task = await given_up_after(turns, there.engine.create(TaskSpec()))
        if task is not None:
            ended += 1
            await task.kill()
        await there.settled(tasks=0)

    assert 0 < ended < _TURNS
    await there.engine.close()


@pytest.mark.asyncio
async def test_one_that_starts_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Counted(monkeypatch)
    await there.engine.start()
    task = await there.engine.create(TaskSpec())
    await there.settled(tasks=1)
    ended = 0
    for turns in range(_TURNS):
        process = await given_up_after(turns, task.exec(ProcessSpec(("sleep", "1000"))))
        if process is not None:
            ended += 1
            await process.signal(9)
        await there.settled(tasks=1)

    assert 0 < ended < _TURNS
    await there.engine.close()


@pytest.mark.asyncio
async def test_an_order_in_any_turn_around_the_end() -> None:
    engine = loopback_engine(lambda: FakeEngine(clock=SystemClock()))
    await engine.start()
    task = await engine.create(TaskSpec())
    for turns in range(_TURNS):
        process = await task.exec(ProcessSpec(("true",)))
        for _ in range(turns):
            await asyncio.sleep(0)
        orders = process.signal(15), process.close_stdin(), process.wait()
        await asyncio.wait_for(asyncio.gather(*orders), 20)
    await engine.close()


async def _ordered() -> AsyncIterator[pb.Order]:
    yield pb.Order(signal=15, number=1)


def _stuck_process() -> Process:
    process: Process = StuckEngine().process
    assert isinstance(process.stdout, OutputLog)
    return process


@pytest.mark.asyncio
async def test_what_is_given_up_before_it_has_begun_is_not_begun() -> None:
    """Python warns of work that is made and never awaited."""
    process = _stuck_process()
    reports = Reports(process, None)
    orders = Orders(process, None, reports, lambda error: pb.Failure())

    reports.begin()
    await orders.read(_ordered())
    reports.close()
    orders.close()

    await asyncio.sleep(0)
    gc.collect()


@pytest.mark.asyncio
async def test_two_who_wait_for_orders_do_not_share_the_error_of_a_broken_call() -> None:
    """What is raised holds the frames that it passes."""
    stuck = StuckEngine()
    engine = loopback_engine(stuck.engine)
    await engine.start()
    task = await engine.create(TaskSpec())
    assert task.main is not None
    asked = [asyncio.ensure_future(task.main.signal(number)) for number in (10, 12)]
    await stuck.begun.until("signal")
    connection: Any = engine._connection
    await connection.close()

    errors = await asyncio.gather(*asked, return_exceptions=True)

    assert errors[0] is not errors[1]
    assert task.main.lost is not None
    assert all(error is not task.main.lost for error in errors)
    assert task.main.lost.__traceback__ is None
