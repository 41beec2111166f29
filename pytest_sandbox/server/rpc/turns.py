"""Received bytes are worked on in turns, between which other connections get theirs.

256 KiB can hold 10,000 calls that are reset at once, which take seconds, or 16 frames of data,
which take a millisecond.
"""

import asyncio
import time
from collections.abc import Callable

#: Seconds that one connection may have in one turn of the event loop, and one of which there may be
#: a hundred, since they have shown no token.
TURN, SHORT_TURN = 0.01, 0.001
#: Bytes that are worked on without a look at the clock.
_SMALLEST, _LARGEST = 512, 16 * 1024


class Turns:
    """The bytes that a connection has received and not worked on.

    Args:
        transport: is not read from meanwhile.
        work: works on bytes; the parts are given in order.
        turn: seconds.

    Attributes:
        turn: the same, which may change.
    """

    def __init__(
        self, transport: asyncio.ReadTransport, work: Callable[[bytes], None], turn: float = TURN
    ) -> None:
        self.turn = turn
        self._transport = transport
        self._work = work
        self._waiting = bytearray()
        self._size = _LARGEST if turn == TURN else _SMALLEST

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
            if self._waiting and time.monotonic() - began > self.turn:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._turn)
                return
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _part(self, data: bytes) -> None:
        began = time.monotonic()
        self._work(data)
        took = time.monotonic() - began
        if took > self.turn:
            self._size = max(_SMALLEST, self._size // 2)
        elif took < self.turn / 4:
            self._size = min(_LARGEST, self._size * 2)
