"""Noticing an agent that does not answer.

Programs of the sandbox cannot signal it, but they can stop what it has just started, and until that
runs its own program the agent waits in the kernel: `CLONE_VFORK` of clone(2). They can also leave
it no time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Parts of the shortest time that is waited for, in which time is counted.
_STEPS = 40
#: The step of a request from which on the agent is helped: it had one whole step until then.
_HELP = 2


class Patience:
    """Counts the time that each request is without an answer.

    In steps, not by the clock: an engine that was itself stopped, or had no time, has not listened
    meanwhile, which is one step, however long it took.

    Args:
        give_up: called once, when a request has had no answer for too long; with the seconds.
        help_agent: called before that, in each step; with whether that was tried before.
    """

    def __init__(
        self, give_up: Callable[[float], None], help_agent: Callable[[bool], None]
    ) -> None:
        self._give_up = give_up
        self._help = help_agent
        #: By number: the seconds in all, those left, and the steps.
        self._waiting: dict[int, tuple[float, float, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, number: int, seconds: float) -> None:
        """A request is sent, whose answer may take so many seconds."""
        self._waiting[number] = seconds, seconds, 0
        if self._timer is None:
            self._wait()

    def end(self, number: int) -> None:
        """It is answered."""
        self._waiting.pop(number, None)

    def stop(self) -> None:
        """No request is answered any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        step = min(seconds for seconds, _, _ in self._waiting.values()) / _STEPS
        self._timer = asyncio.get_running_loop().call_later(step, self._step, step)

    def _step(self, step: float) -> None:
        self._timer = None
        longest = 0
        for number, (seconds, left, steps) in self._waiting.items():
            if left <= 0:
                self.stop()
                self._give_up(seconds)
                return
            self._waiting[number] = seconds, left - step, steps + 1
            longest = max(longest, steps + 1)
        if longest >= _HELP:
            self._help(longest > _HELP)
        if self._waiting:
            self._wait()
