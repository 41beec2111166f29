"""A virtual clock, and event loops that skip to its next timer."""

import asyncio
import heapq
import math
from typing import TYPE_CHECKING

from pytest_sandbox._shared.idle_loop import IdleEventLoop
from pytest_sandbox.engine import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

#: Turns of an event loop that cannot tell when it is idle, after which everything that a timer
#: woke is taken to have settled.
_SETTLING = 50
#: How many sleepers that gave up are forgotten at once, at least: each time, all are looked at.
_GIVEN_UP = 16


class VirtualClock(Clock):
    """A clock that stands still until it is advanced; sleepers wake in the order of their times.

    Args:
        start: seconds since the Unix epoch that `now` begins with; 2001-09-09T01:46:40Z by default.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0
        self._given_up = 0

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by `seconds`; at once if that is not positive."""
        if math.isnan(seconds):
            raise ValueError("cannot sleep nan seconds")
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        timer = self._timer(seconds)
        try:
            await timer
        except BaseException:
            timer.cancel()
            self._forget_given_up()
            raise

    def later(self, seconds: float, function: "Callable[[], object]") -> "Callable[[], object]":
        """Call a function once the clock has been advanced by `seconds`; soon if not positive."""
        if seconds <= 0:
            return asyncio.get_running_loop().call_soon(function).cancel
        timer = self._timer(seconds)

        def call(_: object) -> None:
            function()

        def forget() -> None:
            if not timer.done():
                timer.remove_done_callback(call)
                timer.cancel()
                self._forget_given_up()

        timer.add_done_callback(call)
        return forget

    def _timer(self, seconds: float) -> "asyncio.Future[None]":
        """What is done once the clock has been advanced by `seconds`."""
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._timers, (self._elapsed + seconds, self._order, timer))
        return timer

    @property
    def next_timer(self) -> float | None:
        """Seconds until the next sleeper wakes, or `None` if nothing sleeps."""
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._elapsed if self._timers else None

    def jump(self) -> bool:
        """Skip to the next timer and wake its sleeper; returns whether there was one.

        Those that sleep until the very same moment are woken with it.
        """
        seconds = self.next_timer
        if seconds is None or math.isinf(seconds):
            return False
        self._elapsed = max(self._elapsed, self._timers[0][0])
        self._fire()
        return True

    async def advance(self, seconds: float) -> None:
        """Let time pass: each sleeper wakes at its own time, and what it does then is done first.

        Args:
            seconds: how much; 0 lets everything settle and no time pass.

        Raises:
            ValueError: it is negative, infinite or no number.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a clock can only be advanced by 0 seconds or more, not {seconds!r}")
        end = self._elapsed + seconds
        await settle()
        while (wait := self.next_timer) is not None and self._elapsed + wait <= end:
            self.jump()
            await settle()
        self._elapsed = end

    def _forget_given_up(self) -> None:
        """One more sleeper was cancelled: forget them once they are as many as those that sleep."""
        self._given_up += 1
        if self._given_up >= max(_GIVEN_UP, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if not entry[2].done()]
            heapq.heapify(self._timers)
            self._given_up = 0

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= self._elapsed:
            timer = heapq.heappop(self._timers)[2]
            if not timer.done():
                timer.set_result(None)


async def settle() -> None:
    """Let everything that can run now do so."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, IdleEventLoop):
        await loop.settled()
        return
    for _ in range(_SETTLING):
        await asyncio.sleep(0)


def new_event_loop(clock: VirtualClock) -> IdleEventLoop:
    """An event loop on which `clock` skips to the next sleeper whenever nothing else can run."""
    loop = IdleEventLoop()
    loop.on_idle = clock.jump
    return loop
