"""`sleep`, which continues in a copy of its sandbox."""

import math
from collections.abc import Sequence

from ..processes.process import SandboxProcess
from ..processes.snapshotable import Pause, Snapshotable
from .utility import complain, run

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Sleep(Snapshotable):
    """Let time pass: seconds, or with a unit s, m, h or d; several add up."""

    def __init__(self, pause: Pause | None = None) -> None:
        self._pause = pause

    async def __call__(self, proc: SandboxProcess) -> int:
        """Let it pass."""
        return await run(proc, self._sleep, proc.argv)

    async def _sleep(self, proc: SandboxProcess, argv: Sequence[str]) -> int:
        if self._pause is None:
            total = _seconds(argv[1:])
            if len(argv) < 2 or not total >= 0:
                await complain(proc, "sleep", f"invalid time interval {' '.join(argv[1:])!r}")
                return 1
            self._pause = Pause(total)
        await self._pause.over(proc)
        return 0

    def copy(self) -> "Sleep":
        """What is left of it."""
        return Sleep(self._pause and self._pause.copy())


def _seconds(words: Sequence[str]) -> float:
    try:
        return sum(float(word.rstrip("smhd")) * _UNITS.get(word[-1:], 1) for word in words)
    except ValueError:
        return math.nan
