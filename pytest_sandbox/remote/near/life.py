"""The life of a task on another machine: what its calls have to know of each other."""

from __future__ import annotations

import asyncio

from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import EndCause, TaskEnd, TaskEnded, TaskLost


class TaskLife:
    """Whether a task has ended, and how.

    Args:
        number: what the far side calls it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        #: How it ended, `None` while it lives.
        self.end: TaskEnd | None = None
        self._over = asyncio.Event()

    def check(self) -> None:
        """Refuse a call that needs a live task.

        Raises:
            TaskEnded: it has ended.
            TaskLost: nothing is known of it any more.
        """
        if self.lost is not None:
            raise to_raise(self.lost)
        if self.end is not None:
            raise TaskEnded("the task has ended")

    @property
    def lost(self) -> TaskLost | None:
        """Why nothing is known of it any more."""
        return None if self.end is None else self.end.lost

    def over(self, end: TaskEnd) -> None:
        """It has ended."""
        if self.end is None:
            self.end = end
            self._over.set()

    def lose(self, lost: TaskLost) -> None:
        """Nothing more will be known of it."""
        self.over(TaskEnd(EndCause.LOST, detail=str(lost), lost=lost))

    async def wait(self) -> TaskEnd:
        """Return when it has ended."""
        await self._over.wait()
        assert self.end is not None
        return self.end
