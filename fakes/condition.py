"""Waiting until something changes."""

import asyncio


class Condition:
    """Like `asyncio.Condition` without its lock: waiters check for themselves what has changed.

    Everything in memory runs on one event loop, so nothing needs a lock.
    """

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        # A dictionary keeps the order of arrival, so that waiters wake in the same order every run.
        self._waiters: dict[asyncio.Future[None], None] = {}

    async def wait(self) -> None:
        """Return after the next `notify_all`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def notify_all(self) -> None:
        """Wake everything that waits now."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
