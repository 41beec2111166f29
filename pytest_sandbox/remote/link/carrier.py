"""A connection that carries a session, once both ends have said hello."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from pytest_sandbox._http2 import OneBuffer

from .hello import DamagedHello, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session

#: Bytes that a transport holds for a slow peer before a writer waits; asyncio's 64 KiB would have
#: it wait with each message.
_BUFFER = 4 * 2**20


class Carrier(OneBuffer):
    """One connection.

    Args:
        on_first: called with this and the first message, or with the error that there is none.
        on_made: called with this when there is a connection.

    Attributes:
        transport: of the connection.
        gone: set when it has ended.
        program: is done when the program through which it leads has ended; `None` without one.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        on_first: Callable[[Carrier, bytes | Exception], None],
        on_made: Callable[[Carrier], None] | None = None,
    ) -> None:
        self._on_first: Callable[[Carrier, bytes | Exception], None] | None = on_first
        self._on_made = on_made
        self._waiting = b""  # of the first message; later, what came before there was a session
        self._session: Session | None = None
        self.gone = asyncio.Event()
        self.program: asyncio.Future[Any] | None = None

    def carry(self, session: Session, received: int) -> None:
        """Carry a session from now on.

        Args:
            session: this end of it.
            received: how many bytes of it the peer has got.

        Raises:
            DamagedFrame: the peer cannot have got so many.
        """
        self._session = session
        session.carry_on(self.transport, received)
        waiting, self._waiting = self._waiting, b""
        if waiting:
            session.came(self.transport, waiting)

    async def closed(self, timeout: float) -> None:
        """Return when all of it has ended, or after so many seconds."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.gone.wait(), timeout)
        if self.program is not None:
            await asyncio.wait([self.program], timeout=timeout)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send small messages at once, and large ones in large pieces."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(_BUFFER)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        if self._session is not None:
            self._session.came(self.transport, data)
            return
        self._waiting += data
        if self._on_first is None:
            return
        try:
            parts = split(self._waiting)
        except DamagedHello as error:
            self._say_first(error)
            return
        if parts is not None:
            first, self._waiting = parts
            self._say_first(first)

    def _say_first(self, first: bytes | Exception) -> None:
        if self._on_first is not None:
            on_first, self._on_first = self._on_first, None
            on_first(self, first)

    def pause_writing(self) -> None:
        """Have the session wait."""
        if self._session is not None:
            self._session.carrier_full(self.transport, full=True)

    def resume_writing(self) -> None:
        """Have it go on."""
        if self._session is not None:
            self._session.carrier_full(self.transport, full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.gone.set()
        if self._session is not None:
            reason = in_words(exc) if exc else "the connection was closed"
            self._session.lost(self.transport, reason)
        self._say_first(exc or ConnectionResetError("the connection was closed"))


def in_words(error: BaseException) -> str:
    """What the kernel says of an error; asyncio has put a text of its own in the place of that."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error)
