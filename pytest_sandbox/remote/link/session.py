"""One end of a session: an ordered connection that outlives the connections which carry it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from . import frames
from .frames import DamagedFrame, FrameKind, LinkFrameReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from .timing import Timing

log = logging.getLogger("pytest_sandbox.remote")

#: Bytes that were written and that the peer has not acknowledged, above which a writer waits, and
#: below which it goes on.
_MUCH, _LITTLE = 16 * 2**20, 4 * 2**20
#: Bytes of them, from which on the session is ended. Calls wait long before, so these answer what
#: asks for an answer each, such as a PING of HTTP/2.
_TOO_MUCH = 64 * 2**20
#: Bytes that fit into a record of TLS (RFC 8446, section 5.1) with the head of a frame.
_ONE_RECORD = 2**14 - 2**5
#: Bytes after which what has come is acknowledged.
_ACKNOWLEDGE = 1024 * 1024


class SessionEnded(ConnectionError):
    """The session is over."""


class Session(asyncio.Transport):
    """One end of a session: a transport for the protocol that runs on it.

    Bytes are held until the peer has acknowledged them. When a connection is lost and there is
    another one, each end says how much has come, and what had not is sent again.

    Args:
        protocol: what runs on it.
        timing: how long to wait for the peer.
        on_lost: called with the reason when the connection that carries it is lost.
        on_end: called with the reason, once, when the session is over.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        timing: Timing,
        on_lost: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._protocol = protocol
        self._timing = timing
        self._on_lost = on_lost
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._carrier: asyncio.Transport | None = None
        self._reader = LinkFrameReader()
        self._held: deque[bytes] = deque()
        self._first = 0  # what of all that was written is held, as offsets
        self._end = 0
        self._received = 0
        self._acknowledged = 0
        self._carrier_is_full = False
        self._writer_waits = False
        self._reading = True
        self._owes = False  # an answer to a PING
        self._ended = False
        self._heard = False
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None
        #: For how many seconds nothing had come when the connection was lost.
        self.silent = 0.0

    def begin(self) -> None:
        """Let the protocol begin."""
        self._protocol.connection_made(self)

    # What carries it

    @property
    def received(self) -> int:
        """How many bytes have come."""
        return self._received

    @property
    def is_carried(self) -> bool:
        """Whether there is a connection."""
        return self._carrier is not None

    def carry_on(self, carrier: asyncio.Transport, received: int) -> None:
        """Go on over another connection, in place of one that there may be.

        Args:
            carrier: the connection; both ends have said hello.
            received: how many bytes the peer has got.

        Raises:
            DamagedFrame: the peer cannot have got so many.
        """
        self._forget(received)
        self.leave()
        self._carrier, self._reader = carrier, LinkFrameReader()
        self._carrier_is_full = self._owes = False
        self._acknowledged = self._received  # as the hello said
        for data in self._held:
            _write(carrier, data)
        if not self._reading:
            carrier.pause_reading()
        self._heard, self._unanswered = True, 0
        self._watch()
        self._let_write()

    def leave(self) -> None:
        """Take nothing more from the connection that there is: there is another one."""
        if self._carrier is not None:
            carrier, self._carrier = self._carrier, None
            self._stop_watching()
            carrier.abort()

    def came(self, carrier: asyncio.Transport, data: bytes) -> None:
        """Take what came over a connection, which may be one of before."""
        if carrier is not self._carrier:
            return
        self._heard = True
        try:
            for kind, content in self._reader.read(data):
                self._take(kind, content)
                if self._carrier is not carrier:
                    return
        except DamagedFrame as error:
            self.end(f"what came over the connection cannot be read: {error}")

    def _take(self, kind: FrameKind, content: bytes) -> None:
        if kind == FrameKind.DATA:
            self._received += len(content)
            if self._received - self._acknowledged >= _ACKNOWLEDGE:
                self._acknowledge()
            self._work_on(content)
        elif kind == FrameKind.RECEIVED:
            self._forget(frames.count_of(content))
            self._let_write()
        elif kind == FrameKind.PING:
            self._acknowledge()
        else:
            self._over(content.decode(errors="replace"))

    def carrier_full(self, carrier: asyncio.Transport, *, full: bool) -> None:
        """Heed that a connection takes no more for now, or takes more again."""
        if carrier is self._carrier:
            self._carrier_is_full = full
            if self._owes and not full:
                self._acknowledge()
            self._let_write()

    def lost(self, carrier: asyncio.Transport, reason: str, silent: float = 0.0) -> None:
        """Heed that a connection is lost: the session waits for another one.

        Args:
            carrier: the connection.
            reason: why it is lost.
            silent: for how many seconds nothing had come over it.
        """
        if carrier is not self._carrier:
            return
        self.silent = silent
        self._carrier = None
        self._stop_watching()
        self._on_lost(reason)

    def _work_on(self, data: bytes) -> None:
        """Give the protocol what came; nothing can be relied on once that surprises it."""
        try:
            self._protocol.data_received(data)
        except Exception as error:
            log.error("a session is ended: what came surprises its protocol", exc_info=error)
            self.end(f"what came cannot be worked on: {error!r}")

    def _acknowledge(self) -> None:
        # A peer that reads nothing gets no second answer, however often it asks.
        self._owes = self._carrier_is_full
        if self._carrier is not None and not self._owes:
            self._acknowledged = self._received
            self._carrier.write(frames.received(self._received))

    def _forget(self, received: int) -> None:
        """Hold no longer what the peer has."""
        if not self._first <= received <= self._end:
            raise DamagedFrame(f"{received} bytes came, of {self._end} that were sent")
        while self._held and self._first + len(self._held[0]) <= received:
            self._first += len(self._held.popleft())
        if received > self._first:
            self._held[0] = self._held[0][received - self._first :]
            self._first = received

    def _let_write(self) -> None:
        """Have the protocol wait, or go on, as there is room."""
        held = self._end - self._first
        full = self._carrier_is_full or held > (_LITTLE if self._writer_waits else _MUCH)
        if full != self._writer_waits and not self._ended:
            self._writer_waits = full
            if full:
                self._protocol.pause_writing()
            else:
                self._protocol.resume_writing()

    def _watch(self) -> None:
        """See to it that a connection which says nothing is noticed."""
        self._stop_watching()
        self._timer = self._loop.call_later(self._timing.ping, self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Count what stayed without an answer: not time, as this process may have stood still."""
        carrier = self._carrier
        if carrier is None:
            return
        if self._heard or not self._reading:  # who does not read hears nothing
            self._unanswered = 0
        elif self._unanswered >= self._timing.pings:
            carrier.abort()
            silent = self._timing.ping * (self._unanswered + 1)
            self.lost(carrier, f"nothing came for {silent:g} s", silent)
            return
        else:
            self._unanswered += 1
            carrier.write(frames.ping())
        self._heard = False
        self._watch()

    # The end

    def end(self, reason: str) -> None:
        """End the session at both ends; a second call does nothing."""
        if self._ended:
            return
        if self._carrier is not None:
            self._carrier.write(frames.end(reason))
        self._over(reason)

    def _over(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        carrier, self._carrier = self._carrier, None
        self._stop_watching()
        self._held.clear()
        if carrier is not None:
            carrier.close()
        self._loop.call_soon(self._protocol.connection_lost, SessionEnded(reason))
        self._on_end(reason)

    # The transport of the protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or when there is a connection again."""
        if self._ended or not data:
            return
        whole = bytes(data)
        self._held.append(whole)
        self._end += len(whole)
        if self._end - self._first > _TOO_MUCH:
            self.end("the other side asks for much, and takes nothing of it")
            return
        if self._carrier is not None:
            _write(self._carrier, whole)
        self._let_write()

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not acknowledged, beyond those for which writers do not wait."""
        return max(0, self._end - self._first - _MUCH)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection that carries it: nothing, since another may be next."""
        return default

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self._ended

    def close(self) -> None:
        """End the session."""
        self.end("it was closed")

    def abort(self) -> None:
        """The same."""
        self.end("it was broken off")

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._reading = False
        if self._carrier is not None:
            self._carrier.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading = True
        if self._carrier is not None:
            self._carrier.resume_reading()


def _write(carrier: asyncio.Transport, data: bytes) -> None:
    """Write a frame of data; a small one as one record of TLS, of which each costs work."""
    head = frames.data_head(len(data))
    if len(data) < _ONE_RECORD:
        carrier.write(head + data)
    else:
        carrier.writelines([head, data])
