"""`sleep`, which continues in a copy of its sandbox."""

import math
from collections.abc import Sequence

from ..processes.process import SandboxProcess
from ..processes.snapshotable import Pause, Snapshotable
from .utility import NotSupported, complain, options, run

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
            _, words = options(argv, "")
            if len(argv) < 2:
                await complain(proc, "sleep", "missing operand")
                return 1
            total = _seconds(words)
            if not total >= 0:
                await complain(proc, "sleep", f"invalid time interval {' '.join(words)!r}")
                return 1
            self._pause = Pause(total)
        await self._pause.over(proc)
        return 0

    def copy(self) -> "Sleep":
        """What is left of it."""
        return Sleep(self._pause and self._pause.copy())


def _seconds(words: Sequence[str]) -> float:
    total = 0.0
    for word in words:
        text, unit = (word[:-1], word[-1]) if word[-1:] in _UNITS else (word, "s")
        if text.lower().lstrip("+-").startswith("0x"):
            raise NotSupported(f"the time {word!r}")
        try:
            total += float(text) * _UNITS[unit] if text.strip(" _") == text else math.nan
        except ValueError:
            return math.nan
    return total
