"""What a connection holds of what it receives: no more than its windows say.

grpclib holds each DATA frame (RFC 9113, section 6.1) as an object, also those without data, for
which there is no window; a frame of one byte takes 200. h2 holds every setting that a client
invents, and compresses answers with as much memory as the client allows.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from grpclib.protocol import Buffer
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder

#: Settings that a client may set; HTTP/2 and its extensions have about ten.
MOST_SETTINGS = 100
#: Bytes of headers that are remembered to compress further ones: what HTTP/2 begins with.
_TABLE = 4096
#: Bytes of a frame that is not worth an object of its own.
_SMALL = 1024


class Frames(H2Connection):
    """Remembers fewer calls that have ended, in case that more of them comes: h2 does 65,536.

    Takes less metadata of a call: h2 takes 64 KiB, which a few bytes can stand for.
    """

    MAX_CLOSED_STREAMS = 4096
    DEFAULT_MAX_HEADER_LIST_SIZE = 16 * 1024

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.encoder = _SmallEncoder()

    def forget(self) -> None:
        """Refer to itself no more: nothing comes from now on."""
        vars(self).pop("_frame_dispatch_table", None)


class _SmallEncoder(Encoder):
    """Uses no more memory than usual, though the client may allow more: RFC 7541, section 4.2."""

    @property
    def header_table_size(self) -> int:
        """Bytes of headers that are remembered."""
        return int(self.header_table.maxsize)

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        Encoder.header_table_size.fset(self, min(value, _TABLE))  # type: ignore[attr-defined]


class ReceivedData(Buffer):
    """The data of one call that its handler has not taken.

    What a handler asks for reopens the window, and what comes besides does not.
    """

    def __init__(self, ack: Callable[[int], None]) -> None:
        # Not that of grpclib, which makes a queue.
        self._ack = ack
        self._eof = False
        self._parts: deque[memoryview] = deque()
        self._crumbs = bytearray()  # small frames that came after those
        self._size = 0  # bytes of all
        self._open = 0  # bytes of it whose window is open again
        self._to_ack = 0  # the window that the others take: with their padding
        self._came = asyncio.Event()

    def add(self, data: bytes, ack_size: int) -> None:
        """Data came; empty frames are as none."""
        if not ack_size:
            return
        if len(data) < _SMALL:
            self._crumbs += data
        else:
            self._sweep()
            self._parts.append(memoryview(data))
        self._size += len(data)
        self._to_ack += ack_size
        self._came.set()

    def eof(self) -> None:
        """No more will come."""
        self._eof = True
        self._came.set()

    async def read(self, size: int) -> bytes:
        """So many bytes; none at the end.

        Raises:
            AssertionError: the end comes before.
        """
        while self._open < size:
            if self._to_ack:
                self._open = self._size
                self._ack(self.unacked_size())
            elif self._eof:
                break
            else:
                self._came.clear()
                await self._came.wait()
        if not self._size:
            return b""
        if self._open < size:
            raise AssertionError("Received less data than expected")
        return self._take(size)

    def _take(self, size: int) -> bytes:
        self._open -= size
        self._size -= size
        self._sweep()
        taken: list[memoryview] = []
        while size:
            part = self._parts.popleft()
            if len(part) > size:
                self._parts.appendleft(part[size:])
                part = part[:size]
            taken.append(part)
            size -= len(part)
        return b"".join(taken)

    def _sweep(self) -> None:
        if self._crumbs:
            self._parts.append(memoryview(bytes(self._crumbs)))
            self._crumbs.clear()

    def unacked_size(self) -> int:
        """The window that data takes which nobody asked for, which it takes no more from now on."""
        size, self._to_ack = self._to_ack, 0
        return size
