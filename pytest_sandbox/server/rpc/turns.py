"""Received bytes are worked on in turns, between which other connections get theirs.

256 KiB can hold 10,000 calls that are reset at once, which take seconds, or 16 frames of data,
which take a millisecond.
"""

import asyncio
import time
from collections.abc import Callable

#: Seconds that one connection may have in one turn of the event loop.
_TURN = 0.01
#: Bytes that are worked on without a look at the clock.
_SMALLEST, _LARGEST = 512, 16 * 1024


class Turns:
    """The bytes that a connection has received and not worked on.

    Args:
        transport: is not read from meanwhile.
        work: works on bytes; the parts are given in order.
    """

    def __init__(self, transport: asyncio.ReadTransport, work: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._work = work
        self._waiting = bytearray()
        self._size = _LARGEST

    def receive(self, data: bytes) -> None:
        """Work on bytes, or have them wait behind others."""
        if self._waiting:
            self._waiting += data
        elif len(data) <= self._size:
            self._part(data)
        else:
            self._waiting += data
            self._turn()

    def _turn(self) -> None:
        began = time.monotonic()
        while self._waiting and not self._transport.is_closing():
            part = bytes(self._waiting[: self._size])
            del self._waiting[: self._size]
            self._part(part)
            if self._waiting and time.monotonic() - began > _TURN:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._turn)
                return
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _part(self, data: bytes) -> None:
        began = time.monotonic()
        self._work(data)
        took = time.monotonic() - began
        if took > _TURN:
            self._size = max(_SMALLEST, self._size // 2)
        elif took < _TURN / 4:
            self._size = min(_LARGEST, self._size * 2)
