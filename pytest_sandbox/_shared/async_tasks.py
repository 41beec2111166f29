"""Asyncio tasks: with a time limit, in the background, or finished although cancelled."""

from __future__ import annotations

import asyncio
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from .clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .clock import Clock

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: The task, in whose context this is, that ends when its work does: nobody can cancel it. Not held:
#: the task holds its context, and those that it starts get a copy, and may live longer.
_lasting: ContextVar[Callable[[], asyncio.Task[Any] | None]]
_lasting = ContextVar("pytest_sandbox_lasting", default=lambda: None)


def background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start work whose error matters only if somebody awaits the task."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(retrieve)
    return task


def retrieve(task: asyncio.Future[Any]) -> None:
    """Mark an error as seen; asyncio logs errors that were never retrieved."""
    if not task.cancelled():
        task.exception()


def be_lasting() -> None:
    """Say that nobody cancels this task, so that in it `finish` needs no other one."""
    task = asyncio.current_task()
    assert task is not None
    _lasting.set(weakref.ref(task))


async def _in_lasting_task(work: Awaitable[T]) -> T:
    be_lasting()
    return await work


async def finish(
    work: Awaitable[T], undo: Callable[[T], Coroutine[Any, Any, None] | None] | None = None
) -> T:
    """Await work, which runs to its end even if the caller is cancelled.

    Args:
        work: what to do.
        undo: takes the result if the caller was cancelled, so that nothing is left behind that
            has no owner. If it is a coroutine function, it runs in the background.
    """
    if _lasting.get()() is asyncio.current_task():
        return await work
    task = asyncio.create_task(_in_lasting_task(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if undo is None:
            task.add_done_callback(retrieve)
        else:
            undo_when_done(task, undo)
        raise


def undo_when_done(
    task: asyncio.Future[T], undo: Callable[[T], Coroutine[Any, Any, None] | None]
) -> None:
    """Undo work that nobody awaits any more, once it is done; its error is dropped.

    Args:
        task: the work.
        undo: takes its result. If it is a coroutine function, it runs in the background.
    """

    def done(task: asyncio.Future[T]) -> None:
        if task.cancelled() or task.exception() is not None:
            return
        undone = undo(task.result())
        if undone is not None:
            background(undone)

    task.add_done_callback(done)


async def ended(task: asyncio.Future[Any], over: asyncio.Future[None] | None = None) -> None:
    """Wait until a task has ended, like `asyncio.wait` for one.

    A caller that is cancelled does not cancel the task.

    Args:
        task: that.
        over: made for this. The task may set its result in its last step, and so have this return
            a turn of the event loop earlier.
    """
    if task.done():
        return
    over = over or asyncio.get_running_loop().create_future()

    def end(_: object) -> None:
        if not over.done():
            over.set_result(None)

    task.add_done_callback(end)
    try:
        await over
    finally:
        task.remove_done_callback(end)


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended; their results and errors are dropped."""
    under_way = []
    for task in tasks:
        if task.done():
            retrieve(task)
        else:
            task.cancel()
            under_way.append(task)
    if under_way:  # to wait for nothing takes a turn of the event loop
        await asyncio.gather(*under_way, return_exceptions=True)


async def within(
    clock: Clock,
    seconds: float,
    work: Coroutine[Any, Any, T],
    undo: Callable[[T], Coroutine[Any, Any, None] | None] | None = None,
) -> T:
    """Await work for at most `seconds`, like `asyncio.wait_for` but on any clock.

    The work runs in a task of its own: grpclib cancels the task that makes a call when its
    connection breaks, and that must not be taken for the time-out, or for the caller's end.

    A caller that is cancelled in the turn in which the work is done, is cancelled: before Python
    3.12, `asyncio.wait_for` returns the result instead, and who cancelled it waits for ever.

    Args:
        clock: measures the time.
        seconds: how long.
        work: what to do.
        undo: takes the result if the caller was cancelled, as in `finish`.

    Raises:
        asyncio.TimeoutError: it took longer; it was cancelled and has ended.
    """
    task = background(work)  # it may fail in the turn in which the caller is cancelled
    over = asyncio.get_running_loop().create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    task.add_done_callback(end)
    forget_timer = clock.later(seconds, end)
    try:
        await over
    except asyncio.CancelledError:
        if undo is not None:
            undo_when_done(task, undo)
        raise
    finally:
        forget_timer()
        late = not task.done()
        if late:
            await cancel_and_wait(task)
    # Cancelled work may still end with a result, which would be lost otherwise.
    if late and task.cancelled():
        raise asyncio.TimeoutError
    return task.result()


async def at_most(
    seconds: float,
    work: Coroutine[Any, Any, T],
    undo: Callable[[T], Coroutine[Any, Any, None] | None] | None = None,
) -> T:
    """`within`, on the clock of the machine."""
    return await within(SystemClock(), seconds, work, undo)
