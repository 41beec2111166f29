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
    # A task of its own: grpclib cancels the one that waits when a connection breaks,
    # and `wait_for` must not take that for its own doing.
    task = asyncio.ensure_future(work)
    if clock is REAL_TIME:
        return await asyncio.wait_for(task, seconds)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        timer.cancel()
        task.cancel()
    raise asyncio.TimeoutError
