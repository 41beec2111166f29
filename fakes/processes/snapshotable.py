"""Programs that a memory snapshot can hold."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .process import SandboxProcess


class Snapshotable(ABC):
    """A program that a copy of its sandbox can resume, since its state is in its attributes.

    A coroutine cannot be copied, so no snapshot is taken while any other program runs.
    """

    @abstractmethod
    async def __call__(self, proc: "SandboxProcess") -> int:
        """Run, from the beginning or from where it was copied; once only."""

    @abstractmethod
    def copy(self) -> "Snapshotable":
        """A program that resumes where this one is now.

        Raises:
            NotFreezable: it is in the middle of something; the message says what.
        """


class Pause:
    """Time that a program lets pass, and how much of it is left.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._ends: float | None = None
        self._proc: SandboxProcess | None = None

    async def over(self, proc: "SandboxProcess") -> None:
        """Return when the time has passed; at once if it has."""
        if self._left > 0:
            self._proc, self._ends = proc, proc.clock.monotonic() + self._left
            try:
                await proc.sleep(self._left)
            finally:
                self._proc = None  # which has the program that has this
            self._left, self._ends = 0.0, None

    def copy(self) -> "Pause":
        """What is left of it."""
        if self._proc is None or self._ends is None:
            return Pause(self._left)
        return Pause(max(0.0, self._ends - self._proc.clock.monotonic()))
