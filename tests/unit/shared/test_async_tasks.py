"""Tasks with a time limit, and tasks that finish although their caller is cancelled."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from pytest_sandbox._shared.async_tasks import (
    at_most,
    background,
    cancel_and_wait,
    ended,
    finish,
    within,
)
from pytest_sandbox._shared.clock import Clock, SystemClock
from pytest_sandbox.fakes import VirtualClock, new_event_loop


def run(main: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    loop = new_event_loop(clock)
    try:
        loop.run_until_complete(main(clock))
    finally:
        loop.close()


async def finish_of(clock: Clock, work: Coroutine[Any, Any, None]) -> None:
    """`finish`, with the arguments that `within` takes besides the time."""
    await finish(work)


async def answer() -> int:
    return 42


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()], ids=["real", "virtual"])
@pytest.mark.asyncio
async def test_what_is_in_time_is_given(clock: Clock) -> None:
    assert await within(clock, 10, answer()) == 42


def test_what_takes_too_long_is_cancelled_and_leaves_no_trace() -> None:
    async def main(clock: VirtualClock) -> None:
        ends: list[float] = []

        async def slow() -> None:
            try:
                await clock.sleep(100)
            finally:
                ends.append(clock.monotonic())

        with pytest.raises(asyncio.TimeoutError):
            await within(clock, 10, slow())
        assert ends == [10]
        task = asyncio.current_task()
        assert getattr(task, "cancelling", int)() == 0

    run(main)


def test_being_cancelled_is_no_timeout() -> None:
    async def main(clock: VirtualClock) -> None:
        waiting = asyncio.ensure_future(within(clock, 10, asyncio.Event().wait()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert clock.monotonic() == 0

    run(main)


def test_what_ends_in_the_last_moment_is_not_cancelled_afterwards() -> None:
    async def main(clock: VirtualClock) -> None:
        await within(clock, 10, clock.sleep(10))
        for _ in range(5):
            await asyncio.sleep(0)

    run(main)


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()], ids=["real", "virtual"])
@pytest.mark.asyncio
async def test_an_error_in_time_is_raised(clock: Clock) -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await within(clock, 10, fails())


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()], ids=["real", "virtual"])
@pytest.mark.parametrize("limit", [lambda clock, work: within(clock, 10, work), finish_of])
@pytest.mark.asyncio
async def test_an_error_in_the_turn_of_a_cancellation_is_not_logged(
    limit: Callable[..., Awaitable[None]], clock: Clock
) -> None:
    logged: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: logged.append(context))
    failing = loop.create_future()

    async def work() -> None:
        await failing

    waiting = asyncio.ensure_future(limit(clock, work()))
    for _ in range(3):
        await asyncio.sleep(0)
    failing.set_exception(LookupError())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del waiting
    await asyncio.sleep(0)  # what the loop runs now does not refer to the tasks any more
    gc.collect()
    assert logged == []


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.asyncio
async def test_a_cancellation_in_whichever_turn_is_not_lost(turns: int) -> None:
    """Nor is what the work gives in the same turn."""
    loop = asyncio.get_running_loop()
    given: asyncio.Future[int] = loop.create_future()
    undone: list[int] = []

    async def work() -> int:
        return await given

    waiting = asyncio.ensure_future(at_most(10, work(), undone.append))
    for _ in range(3):
        await asyncio.sleep(0)
    given.set_result(42)
    for _ in range(turns):
        await asyncio.sleep(0)
    if not waiting.cancel():
        assert await waiting == 42
        return
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert undone == [42]


@pytest.mark.asyncio
async def test_late_work_has_ended_when_the_timeout_is_raised() -> None:
    ended = False

    async def slow() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    with pytest.raises(asyncio.TimeoutError):
        await within(SystemClock(), 0.001, slow())
    assert ended


@pytest.mark.asyncio
async def test_a_late_result_is_not_lost() -> None:
    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 42
        raise AssertionError

    assert await within(SystemClock(), 0.001, stubborn()) == 42


async def cancelled(waiting: "asyncio.Future[Any]") -> None:
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.asyncio
async def test_work_finishes_although_its_caller_is_cancelled() -> None:
    allowed, finished = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await allowed.wait()
        finished.set()

    await cancelled(asyncio.ensure_future(finish(work())))
    allowed.set()
    await asyncio.wait_for(finished.wait(), 10)


@pytest.mark.parametrize("kind", ["function", "coroutine"])
@pytest.mark.asyncio
async def test_what_was_made_for_nobody_is_undone(kind: str) -> None:
    allowed, undone = asyncio.Event(), asyncio.Queue[int]()

    async def work() -> int:
        await allowed.wait()
        return 42

    undo = undone.put_nowait if kind == "function" else undone.put
    await cancelled(asyncio.ensure_future(finish(work(), undo)))
    assert undone.empty()
    allowed.set()
    assert await asyncio.wait_for(undone.get(), 10) == 42


@pytest.mark.asyncio
async def test_nothing_is_undone_for_a_caller_that_waits() -> None:
    undone: list[int] = []

    assert await finish(asyncio.sleep(0, 42), undone.append) == 42
    await asyncio.sleep(0)
    assert undone == []


@pytest.mark.asyncio
async def test_nothing_is_undone_if_the_work_failed() -> None:
    undone: list[None] = []
    allowed = asyncio.Event()

    async def work() -> None:
        await allowed.wait()
        raise LookupError

    await cancelled(asyncio.ensure_future(finish(work(), undone.append)))
    allowed.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert undone == []


@pytest.mark.asyncio
async def test_errors_in_the_background_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise LookupError

    task = background(fails())
    await cancel_and_wait(background(asyncio.Event().wait()))
    assert task.done()
    del task
    assert caplog.records == []


def test_what_is_finished_within_something_else_needs_no_task_of_its_own() -> None:
    async def main(clock: VirtualClock) -> None:
        tasks: list[object] = []

        async def inner() -> None:
            tasks.append(asyncio.current_task())
            await clock.sleep(1)
            tasks.append("done")

        async def outer() -> None:
            tasks.append(asyncio.current_task())
            await finish(inner())

        caller = asyncio.ensure_future(finish(outer()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        assert caller.cancelled()
        await clock.advance(1)
        outer_task, inner_task, done = tasks
        assert outer_task is inner_task is not caller
        assert done == "done"

    run(main)


def test_what_is_finished_holds_itself_no_longer() -> None:
    async def main(clock: VirtualClock) -> None:
        tasks: list[weakref.ref[Any]] = []

        async def work() -> None:
            tasks.append(weakref.ref(asyncio.current_task()))
            lives_longer.append(asyncio.ensure_future(asyncio.sleep(0)))

        lives_longer: list[asyncio.Task[None]] = []
        gc.collect()
        gc.disable()
        try:
            await finish(work())
            await asyncio.sleep(0)
            assert tasks[0]() is None
        finally:
            gc.enable()
        await asyncio.wait(lives_longer)

    run(main)


def test_a_task_that_something_finished_has_started_is_protected_too() -> None:
    async def main(clock: VirtualClock) -> None:
        done: list[int] = []
        started: list[asyncio.Task[None]] = []

        async def work() -> None:
            await clock.sleep(1)
            done.append(1)

        async def outer() -> None:
            started.append(asyncio.ensure_future(finish(work())))

        await finish(outer())
        await asyncio.sleep(0)
        started[0].cancel()
        await asyncio.wait(started)
        await clock.advance(1)
        assert (started[0].cancelled(), done) == (True, [1])

    run(main)


def test_who_gives_up_waiting_for_a_task_does_not_end_it() -> None:
    async def main(clock: VirtualClock) -> None:
        task = asyncio.ensure_future(clock.sleep(1))
        waiting = [asyncio.ensure_future(ended(task)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert (waiting[0].cancelled(), task.done(), waiting[1].done()) == (True, False, False)
        await clock.advance(1)
        await waiting[1]
        await ended(task)

    run(main)


def test_waiting_for_a_task_that_fails_raises_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        async def fail() -> None:
            raise ValueError

        task = asyncio.ensure_future(fail())
        await ended(task)
        assert isinstance(task.exception(), ValueError)

    run(main)


@pytest.mark.parametrize("says", [True, False])
def test_the_end_of_a_task_that_says_so_is_seen_a_turn_earlier(says: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        over = asyncio.get_running_loop().create_future()

        async def end() -> None:
            await asyncio.sleep(0)
            if says:
                over.set_result(None)

        task = asyncio.ensure_future(end())
        waiting = asyncio.ensure_future(ended(task, over))
        for _ in range(3):
            await asyncio.sleep(0)
        assert (task.done(), waiting.done()) == (True, says)
        await waiting

    run(main)
