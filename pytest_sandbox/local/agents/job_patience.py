"""Noticing a job that programs of the sandbox leave no time to run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that a job may be without a sign that it runs, and the length of a step, in which these
#: are counted.
LONGEST, STEP = 10.0, 1.0


class JobPatience:
    """Counts the steps in which a job is waited for and gives no sign.

    Each step with a sign makes up for one without. So a job ends that runs in less than half of the
    steps, however long its work is.

    Args:
        looks: called in each step: whether there was a sign, or the job is not waited for.
        give_up: called once, when it has been without a sign for too long.
    """

    def __init__(self, looks: Callable[[], bool], give_up: Callable[[], None]) -> None:
        self._looks = looks
        self._give_up = give_up
        self._left = LONGEST
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The job has started."""
        self._timer = asyncio.get_running_loop().call_later(STEP, self._step)

    def stop(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        self._left = min(LONGEST, self._left + STEP) if self._looks() else self._left - STEP
        if self._left > 0:
            self.begin()
        else:
            self._timer = None
            self._give_up()
