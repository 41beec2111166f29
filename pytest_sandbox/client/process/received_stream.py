"""What came of a stream of output ahead of its reader, by a call that stands for others."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..transport.reading import Reading

#: Bytes of a stream that may come ahead of its reader, and how many of them it has read when it
#: lets more come.
_AHEAD = 4 * 1024 * 1024
_STEP = 1024 * 1024
#: Bytes of a stream after which there is likely to be much more.
_MUCH = 16 * 1024


class ReceivedStream(ABC):
    """How far a stream was read, and whether it goes on here.

    Args:
        descriptor: which it is, as messages name it.

    Attributes:
        descriptor: the same.
        offset: behind what was read.
        until: offset up to which the server was told to send; 0 if it was not told.
        ended: whether the end came.
        asked: whether it is read here.
        elsewhere: whether it has to be read by a call of its own.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.offset = self.until = 0
        self.ended = self.asked = self.elsewhere = False
        self._reading: Callable[[], Reading[bytes] | None] = _nobody

    @abstractmethod
    def _unread(self) -> bytes:
        """What came and was not read."""

    @abstractmethod
    def _clear(self) -> None:
        """Drop that."""

    def offer_to(
        self, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]], *, whole: bool
    ) -> None:
        """Say who reads it.

        Args:
            reading: does; it holds this, and is not held.
            cut: makes its items of all of the stream.
            whole: whether all of it is here.
        """
        self._reading, self._cut = weakref.ref(reading), cut
        if whole:
            self.offer()

    def offer(self) -> None:
        """Have it read without the portal's loop: all of it came before it was asked for."""
        reading = self._reading()
        if reading is None or self.asked or self.elsewhere:
            return
        if reading.offer(self._cut(self._unread())):
            self._clear()

    @property
    def is_untold(self) -> bool:
        """Whether the server has to be told that it is read here."""
        return self.asked and not self.until and not self.elsewhere

    @property
    def under_way(self) -> bool:
        """Whether it is read here, and goes on."""
        return self.asked and not (self.ended or self.elsewhere)

    @property
    def wants_more(self) -> bool:
        """Whether so much was read that more should come before it is waited for."""
        if self.ended:
            return False
        return self.offset > (self.until - _AHEAD + _STEP if self.until else _MUCH)

    def allow(self) -> int:
        """Let more of it come; the offset up to which the server is to be told to send."""
        self.until = self.offset + _AHEAD
        return self.until

    def part(self, reading: Collection[int]) -> None:
        """Leave it if the server does not go on with it, and not all of it is here.

        Args:
            reading: the streams that the server goes on with.
        """
        finished = self.asked and self.ended
        if not finished and self.descriptor not in reading:
            self.leave()

    def leave(self) -> None:
        """Drop what was not read: it is read elsewhere."""
        self.elsewhere = True
        self._clear()
        reading = self._reading()
        if reading is not None:
            reading.withdraw()


def _nobody() -> None:
    return None
