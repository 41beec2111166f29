"""Has the pool hold a ready sandbox of the shapes that were asked for lately."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .machine import memory_shares
from .pool import capacity

if TYPE_CHECKING:
    from pytest_sandbox.engine import TaskSpec

    from .activity import Activity
    from .pool import Pool
    from .task import LocalTask

#: A shape that was asked for twice within so many seconds is likely to be asked for again.
_SOON = 10.0
#: Seconds without any request after which the engine counts as idle. A client that thinks, or waits
#: for a program, leaves such pauses; between two calls of one that does neither there are none.
_IDLE_AFTER = 0.003


class Spares:
    """Makes spares while the engine is idle, so that no request waits for that.

    Args:
        pool: holds them.
        activity: says whether the engine is idle.
    """

    def __init__(self, pool: Pool, activity: Activity) -> None:
        self._pool = pool
        self._activity = activity
        self._asked: list[tuple[TaskSpec, float]] = []  # when each was last, the newest last
        self._wanted: list[TaskSpec] = []  # the newest last
        self._timer: asyncio.TimerHandle | None = None
        self._making: asyncio.Future[LocalTask] | None = None
        self._closed = False

    def asked_for(self, shape: TaskSpec, claimed: bool) -> None:
        """A sandbox of a shape was asked for, and could be made.

        Args:
            shape: see `shape_of`.
            claimed: whether the pool had it.
        """
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        before = next((each for each in self._asked if each[0] == shape), None)
        if before is not None:
            self._asked.remove(before)
        self._asked = [*self._asked[1 - capacity() :], (shape, now)]
        if claimed or (before is not None and now - before[1] <= _SOON):
            self._wanted = [*(each for each in self._wanted if each != shape), shape]
            self._wait(_IDLE_AFTER)

    @property
    def are_due(self) -> bool:
        """Whether some are made, or are going to be once the engine is idle."""
        return bool(self._wanted) or self._making is not None

    def close(self) -> None:
        """Make no more."""
        self._closed = True
        self._wanted.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        if self._timer is None and self._making is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        left = _IDLE_AFTER - self._activity.idle_for()
        if left > 0:
            self._wait(left)
        elif memory_shares.are_used_up():
            self._wanted.clear()
        else:
            self._make()

    def _make(self) -> None:
        """Make the one that was wanted last, then the others; one at a time."""
        while self._wanted and self._making is None:
            self._making = self._pool.keep_spare(self._wanted.pop())
        if self._making is not None:
            self._making.add_done_callback(self._made)

    def _made(self, making: asyncio.Future[LocalTask]) -> None:
        self._making = None
        if self._wanted:
            self._wait(_IDLE_AFTER)
