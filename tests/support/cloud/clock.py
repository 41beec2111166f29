"""The time of a cloud: that of the machine, and as much later as a test says."""

import asyncio

from pytest_sandbox.engine import SystemClock


class SteppedClock(SystemClock):
    """The time of the machine, which a test can set forward; sleeping sets it forward too.

    A client that is given the same clock waits for nothing: its pauses are over at once, and are
    seen in the time.

    Attributes:
        ahead: seconds that it is ahead of the clock of the machine.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += seconds

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return super().monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others run."""
        self.advance(seconds)
        await asyncio.sleep(0)
