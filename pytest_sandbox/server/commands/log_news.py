"""Tells those who follow logs that there is something new in one of them."""

import asyncio

from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import Clock


class LogNews:
    """News of all logs of one server.

    Args:
        clock: the engine's.

    Attributes:
        changed: set with the next news. One who looks at logs takes it before, for `after`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.changed = asyncio.Event()

    def tell(self) -> None:
        """Something was written, or has ended."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def after(self, changed: asyncio.Event, seconds: float) -> None:
        """Return when there is news that is later than a look.

        Args:
            changed: of the moment before the look.
            seconds: to wait at most.

        Raises:
            asyncio.TimeoutError: there was none.
        """
        if not changed.is_set():
            await within(self._clock, seconds, changed.wait())
