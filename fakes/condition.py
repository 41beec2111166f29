"""Waiting for something to change."""

import asyncio


class Bell:
    """Wakes everyone who waits for it; they look for themselves whether it concerns them."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        # Not a set: they wake in the order in which they began to wait, in every run.
        self._waiters: dict[asyncio.Future[None], None] = {}

    async def wait(self) -> None:
        """Return at the next ring."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def ring(self) -> None:
        """Wake all who wait now."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
