"""What passes over a connection that carries a session: frames, as bytes.

A frame is a byte that says what it is, the length of its content in four bytes, and its content.
Before the first frame, both ends say hello: see `hello`.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct("!BI")
_COUNT = struct.Struct("!Q")

#: Bytes of what is said besides data: an acknowledgement, or why a session is over.
_MOST = 4096
#: Bytes of data in one frame. A peer that says more has lost its way.
_MOST_DATA = 64 * 2**20


class FrameKind(IntEnum):
    """What a frame is."""

    DATA = 0  #: bytes of the session, after those that came before
    RECEIVED = 1  #: how many bytes of the session have come, from its beginning
    PING = 2  #: to be answered with `RECEIVED`
    END = 3  #: the session is over; why, as text


class DamagedFrame(Exception):
    """What a peer sent is no frame."""


def data_head(size: int) -> bytes:
    """What comes before data of that size."""
    return _HEAD.pack(FrameKind.DATA, size)


def received(count: int) -> bytes:
    """A frame that says how much has come."""
    return _HEAD.pack(FrameKind.RECEIVED, _COUNT.size) + _COUNT.pack(count)


def ping() -> bytes:
    """A frame that asks for an answer."""
    return _HEAD.pack(FrameKind.PING, 0)


def end(reason: str) -> bytes:
    """A frame that ends the session."""
    text = reason.encode(errors="replace")[:_MOST]
    return _HEAD.pack(FrameKind.END, len(text)) + text


def count_of(content: bytes) -> int:
    """The number in a frame of the kind `RECEIVED`.

    Raises:
        DamagedFrame: it is none.
    """
    if len(content) != _COUNT.size:
        raise DamagedFrame(f"a count of {len(content)} bytes")
    count: int = _COUNT.unpack(content)[0]
    return count


class LinkFrameReader:
    """Reads frames from what comes, in whatever pieces.

    Data is passed on as it comes: a long frame of it never has to be held.
    """

    def __init__(self) -> None:
        self._rest = bytearray()  # of a head, or of a frame that is not data
        self._data_left = 0

    def read(self, data: bytes) -> Iterator[tuple[FrameKind, bytes]]:
        """The frames, and parts of data frames, that are complete with these bytes.

        Raises:
            DamagedFrame: they are none.
        """
        position, size = 0, len(data)
        while position < size:
            if self._data_left:
                part = data if not position else data[position:]
                if len(part) > self._data_left:
                    part = part[: self._data_left]
                self._data_left -= len(part)
                position += len(part)
                yield FrameKind.DATA, part
                continue
            wanted = self._wanted() - len(self._rest)
            self._rest += data[position : position + wanted]
            position = min(position + wanted, size)
            if frame := self._complete():
                yield frame

    def _wanted(self) -> int:
        """Bytes of the head, or once that is there, of the whole frame."""
        if len(self._rest) < _HEAD.size:
            return _HEAD.size
        return _HEAD.size + int(_HEAD.unpack_from(self._rest)[1])

    def _complete(self) -> tuple[FrameKind, bytes] | None:
        if len(self._rest) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack_from(self._rest)
        if kind == FrameKind.DATA:
            if size > _MOST_DATA:
                raise DamagedFrame(f"data of {size} bytes in one frame")
            self._data_left = size
            self._rest.clear()
            return None
        if kind > FrameKind.END or size > _MOST:
            raise DamagedFrame(f"a frame of the kind {kind} with {size} bytes")
        if len(self._rest) < _HEAD.size + size:
            return None
        content = bytes(self._rest[_HEAD.size :])
        self._rest.clear()
        return FrameKind(kind), content
