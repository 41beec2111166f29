"""Has the zygote keep a blank: PID 1 of a sandbox of which little is known yet.

A sandbox of any image, network or working directory begins with it that somebody waits for and the
pool does not have: the first ones of their kind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .machine import memory_shares

if TYPE_CHECKING:
    from .activity import Activity
    from .links.zygote_link import ZygoteLink
    from .spares import Spares

#: Seconds without any request after which it is made: as for spares.
_IDLE_AFTER = 0.003
#: Seconds from the first sandbox of an engine to the next blank: most programs that make one
#: sandbox, and no other, have ended by then.
_AFTER_FIRST = 0.05
#: Seconds after which it is ended, if no sandbox was made meanwhile.
_UNUSED = 30.0


class Blanks:
    """Has one made while the engine is idle, so that no request waits for that.

    Args:
        zygote: keeps it.
        activity: says whether the engine is idle.
        spares: which come first.
    """

    def __init__(self, zygote: ZygoteLink, activity: Activity, spares: Spares) -> None:
        self._zygote = zygote
        self._activity = activity
        self._spares = spares
        self._limits: tuple[int, int, float | None] = (0, 0, None)
        self._begun = False
        self._is_first = True
        self._timer: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None

    def begin(self, processes: int, memory: int, cpus: float | None) -> None:
        """Have the first one made, with such limits; before that, none is."""
        self._begun = True
        self._limits = processes, memory, cpus
        self._wait(_IDLE_AFTER)

    def keep(self, processes: int, memory: int, cpus: float | None) -> None:
        """A sandbox with such limits was made, so that another one may be.

        Args:
            processes: see `KeepBlankRequest`, like the others.
            memory: likewise.
            cpus: likewise.
        """
        self._limits = processes, memory, cpus
        if self._begun:
            self._wait(_AFTER_FIRST if self._is_first else _IDLE_AFTER)
            self._is_first = False

    def drop(self) -> bool:
        """End it now; whether there may have been one."""
        if self._end is None:
            return False
        self._end.cancel()
        self._end = None
        self._zygote.drop_blank()
        return True

    def close(self) -> None:
        """Have no more made. The last one ends with the zygote."""
        self._begun = False  # what is being made meanwhile may still tell
        for timer in (self._timer, self._end):
            if timer is not None:
                timer.cancel()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        left = _IDLE_AFTER - self._activity.idle_for()
        if left > 0 or self._spares.are_due:
            self._wait(max(left, _IDLE_AFTER))
            return
        self._timer = None
        if memory_shares.are_used_up():
            self.drop()
            return
        self._zygote.keep_blank(*self._limits)
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(_UNUSED, self.drop)
