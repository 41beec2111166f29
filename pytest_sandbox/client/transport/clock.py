"""The time of a client: the machine's, or that of an engine in memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


class Clock(Protocol):
    """What tells the time, and lets it pass."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never steps backwards."""

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed."""


class _RealTime:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


REAL_TIME: Clock = _RealTime()


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` for that long, like `asyncio.wait_for`.

    Raises:
        asyncio.TimeoutError: it took longer, and was cancelled.
    """
    if clock is REAL_TIME:
        # A task of its own: grpclib cancels the one that waits when a connection breaks,
        # and `wait_for` must not take that for its own doing.
        return await asyncio.wait_for(asyncio.ensure_future(work), seconds)
    task = asyncio.current_task()
    timer = asyncio.ensure_future(clock.sleep(seconds))
    waiting = True

    def expire(_: object) -> None:
        if waiting and task is not None and not timer.cancelled():
            task.cancel()

    timer.add_done_callback(expire)
    try:
        return await work
    except asyncio.CancelledError:
        if timer.done():
            # From Python 3.11 on a task counts how often it was cancelled.
            getattr(task, "uncancel", int)()
            raise asyncio.TimeoutError from None
        raise
    finally:
        waiting = False
        timer.cancel()
