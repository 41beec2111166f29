"""Frames of HTTP/2 as bytes: RFC 9113, section 4."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from h2.exceptions import FrameTooLargeError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Kinds of frames: section 6.
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE = 0, 1, 3, 4, 5
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
#: Flags of frames.
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
#: The last 31 bits of a number, whose first one is reserved; also the largest window.
LAST_31 = 2**31 - 1
#: Bytes that may be sent of all calls together, until more are allowed: section 6.9.2.
FIRST_WINDOW = 65_535
#: What a client begins with: section 3.4.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: The head of a frame: 24 bits of length, kind, flags, stream.
_HEAD = struct.Struct(">HBBBL")
_HEAD_SIZE = 9
#: Bytes that a HEADERS frame may have for the priority of its stream: section 6.2.
_PRIORITY_SIZE = 5


class Frame(NamedTuple):
    """A frame.

    Attributes:
        kind: what it is.
        flags: what is special about it.
        stream_id: whose it is; 0 for the connection.
        payload: what it says.
    """

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    def whole(self) -> bytes:
        """Its bytes, with its head."""
        return head(len(self.payload), *self[:3]) + self.payload

    def content(self) -> bytes:
        """What a HEADERS or DATA frame carries, without its padding and priority.

        Raises:
            ProtocolError: there is more padding than frame.
        """
        start, end = 0, len(self.payload)
        if self.flags & PADDED:
            start, end = 1, end - (self.payload[0] if self.payload else end)
        if self.flags & PRIORITY and self.kind == HEADERS:
            start += _PRIORITY_SIZE
        if start > end:
            raise ProtocolError("a frame has more padding than it is long")
        return self.payload[start:end] if start or end != len(self.payload) else self.payload


def head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The head of a frame with a payload of so many bytes."""
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


class FrameReader:
    """Makes frames of the bytes that come.

    Args:
        largest: bytes that the payload of a frame may have.
        preface: what has to come before the first frame.

    Attributes:
        largest: the same, which may change.
    """

    def __init__(self, largest: int, preface: bytes = b"") -> None:
        self.largest = largest
        self._preface = preface
        self._parts: list[bytes] = []
        self._size = 0  # bytes of them
        self._needed = len(preface) or _HEAD_SIZE  # for something to be whole

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with these bytes.

        Raises:
            ProtocolError: it is no HTTP/2, or a frame is larger.
        """
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._needed:
            return
        data = data if len(self._parts) == 1 else b"".join(self._parts)
        at = self._begun(data)
        while len(data) - at >= _HEAD_SIZE:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > self.largest:
                raise FrameTooLargeError(f"a frame has {length} bytes, not {self.largest} at most")
            end = at + _HEAD_SIZE + length
            if end > len(data):
                self._wait(data[at:], end - at)
                return
            yield Frame(kind, flags, stream_id & LAST_31, data[at + _HEAD_SIZE : end])
            at = end
        self._wait(data[at:], _HEAD_SIZE)

    def _begun(self, data: bytes) -> int:
        """Where the first frame begins."""
        size, begun = len(self._preface), data.startswith(self._preface)
        self._preface = b""
        if not begun:
            raise ProtocolError("this is no HTTP/2")
        return size

    def _wait(self, rest: bytes, needed: int) -> None:
        self._parts = [rest] if rest else []
        self._size = len(rest)
        self._needed = needed
