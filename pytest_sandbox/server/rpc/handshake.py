"""TLS on connections that are counted before it begins.

asyncio tells of a connection when its handshake is over. Until then it has a descriptor and 256 KiB
of memory, and for a client that says nothing it has them for a minute.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

#: Seconds that a handshake may take.
TIMEOUT = 10.0


class Handshake(asyncio.Protocol):
    """A connection before and during its handshake.

    Args:
        context: of the server.
        enter: counts the connection until what it returns is called; or returns `None` for one that
            it has ended.
        make: makes what the connection is for, after the handshake.
        timeout: seconds that it may take.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        enter: Callable[[asyncio.Transport], Callable[[], None] | None],
        make: Callable[[], asyncio.Protocol],
        timeout: float = TIMEOUT,
    ) -> None:
        self._context = context
        self._enter = enter
        self._make = make
        self._timeout = timeout

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        connection = cast("asyncio.Transport", transport)
        leave = self._enter(connection)
        if leave is not None:
            self._work = asyncio.ensure_future(self._shake(connection, leave))

    async def _shake(self, connection: asyncio.Transport, leave: Callable[[], None]) -> None:
        early = _Early()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                connection,
                early,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._timeout,
            )
        except OSError:  # of the client, which is none of TLS, or gone
            return
        finally:
            leave()
        if secured is not None and not early.lost:
            protocol = self._make()
            secured.set_protocol(protocol)
            protocol.connection_made(secured)
            if early.data:
                protocol.data_received(bytes(early.data))


class _Early(asyncio.Protocol):
    """What a client says at once: it may come together with the end of its handshake.

    Attributes:
        data: that.
        lost: whether the connection has ended.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note it."""
        self.lost = True
