"""The time of a test's sandboxes, as the test sees it."""

from typing import TYPE_CHECKING

from pytest_sandbox.client.transport import dual

if TYPE_CHECKING:
    from pytest_sandbox.fakes import VirtualClock


class TestClock:
    """A clock that only moves when it is told to, or when everything waits for it.

    Lifetimes, idle time-outs, the time-outs of commands and calls, waits, the expiry of tokens,
    `sleep` in a sandbox and the back-off of the client run on it.

    Args:
        clock: the clock of the engine.
        autojump: whether it skips to the next moment something is due, when the test waits for
            a call and nothing else can run. Otherwise only `advance` moves it, and a test that
            waits for time to pass hangs unless another thread calls it.
    """

    __test__ = False  # nothing for pytest to collect

    def __init__(self, clock: "VirtualClock", *, autojump: bool = True) -> None:
        self._clock = clock
        self.autojump = autojump

    def __repr__(self) -> str:
        return f"<clock at {self.monotonic():g} s>"

    def now(self) -> float:
        """Seconds since the Unix epoch; a test begins at 2001-09-09T01:46:40Z."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds since the test's sandboxes were made ready."""
        return self._clock.monotonic()

    @dual
    async def advance(self, seconds: float) -> None:
        """Let time pass: what is due meanwhile happens, each thing at its own time.

        Args:
            seconds: how much; 0 lets everything settle and no time pass.

        Raises:
            ValueError: it is negative, infinite or no number.
        """
        await self._clock.advance(seconds)

    def jump(self) -> bool:
        """Skip to what is due next, if it may; what the loop asks when it is idle."""
        return self.autojump and self._clock.jump()
