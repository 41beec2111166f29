"""A line of those who wait for devices: first come, first served, on the whole machine.

Each has a number, and a lock on the byte of that number, which ends with the process. Who waits for
other devices holds nobody up.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared import real

from .errors import GpusTaken
from .lock_folder import in_words, open_file, read_note, write_note
from .ranges import locked, try_lock, unlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

#: Locks in the file: one byte while somebody takes a number, then a byte for each number.
_MUTEX = 0
_FIRST = 1
_LAST = 1 << 40
#: Contents of the file: notes, then the devices that each waits for; numbers come round again.
_PLACES = 1 << 12
_WANTS = 1 << 13
#: Seconds until one looks again.
_PAUSE = 0.02


class Line:
    """A place in the line, from `join` on; a context manager that leaves it.

    Args:
        uuids: of the devices that one waits for.
        what: what for.
        deadline: on the real monotonic clock, until when.
    """

    def __init__(self, uuids: Sequence[str], what: str, deadline: float) -> None:
        self._uuids = list(uuids)
        self._what = what
        self._deadline = deadline
        self._fd = open_file("queue")
        self._number: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def ahead(self) -> str:
        """Who waits for one of the devices, and came before; empty for nobody."""
        end = _LAST if self._number is None else _FIRST + self._number
        numbers = [
            number
            for first, last in locked(self._fd, _FIRST, end)
            for number in range(first - _FIRST, last - _FIRST)
        ]
        return in_words(
            read_note(self._fd, number % _PLACES)
            for number in numbers
            if not self._wants(number).isdisjoint(self._uuids)
        )

    def join(self) -> None:
        """Take a number, if one has none yet.

        Raises:
            GpusTaken: somebody else takes too long to take one.
        """
        if self._number is not None:
            return
        for _ in self._pauses():
            if try_lock(self._fd, _MUTEX, 1):
                break
        else:
            raise GpusTaken("a process holds up the line of those who wait")
        try:
            waiting = locked(self._fd, _FIRST, _LAST)
            number = waiting[-1][1] - _FIRST if waiting else 0
            wants = json.dumps(self._uuids).encode()[:_WANTS]
            os.pwrite(self._fd, wants.ljust(_WANTS), self._place(number))
            write_note(self._fd, number % _PLACES, self._what)
            if try_lock(self._fd, _FIRST + number, 1):
                self._number = number
        finally:
            unlock(self._fd, _MUTEX, 1)

    def wait(self) -> bool:
        """Sleep a little; `False` if the time is up."""
        left = self._deadline - real.monotonic()
        if left <= 0:
            return False
        _sleep(min(_PAUSE, left))
        return True

    def _pauses(self) -> Iterator[None]:
        yield
        while self.wait():
            yield

    def _wants(self, number: int) -> set[str]:
        try:
            found = json.loads(os.pread(self._fd, _WANTS, self._place(number)))
            return {str(each) for each in found}
        except (ValueError, TypeError):
            return set(self._uuids)  # being written, or damaged: better to wait

    @staticmethod
    def _place(number: int) -> int:
        return (1 << 21) + number % _PLACES * _WANTS


def _sleep(seconds: float) -> None:
    # Not time.sleep, which tests replace.
    import select

    select.select([], [], [], seconds)
