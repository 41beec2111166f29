"""One connection to one of Modal's servers, by the proxy that the environment names, if any."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from grpclib.client import Channel, Handler
from grpclib.config import Configuration
from grpclib.protocol import H2Protocol

from pytest_sandbox._shared.async_tasks import at_most, finish
from pytest_sandbox._shared.network.http_proxy import ProxyError, connect_through, proxy_to
from pytest_sandbox._shared.network.trusted import trusting
from pytest_sandbox.rpcs import StatusDetails

if TYPE_CHECKING:
    import socket
    import ssl

#: Calls on one connection at a time: servers take a hundred.
CALLS = 64
#: Bytes that may be received ahead of their reader, per call.
WINDOW = 4 * 2**20
#: Seconds without anything received after which the other end is asked for a sign of life, and in
#: which that must come.
PING, PONG = 30.0, 10.0
#: Seconds that a connection may take, as with Modal's client.
CONNECT = 10.0


class CloudChannel(Channel):
    """A connection that is made when it is first needed.

    Args:
        url: of the server.

    Attributes:
        server: the name or address of the server, without the port.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self.server = parts.hostname or ""
        self._to = self.server, parts.port or (443 if secure else 80)
        self._context = _tls(os.environ.get("SSL_CERT_FILE")) if secure else None
        super().__init__(
            *self._to,
            ssl=self._context,
            config=_configuration(),
            status_details_codec=StatusDetails(),
        )

    @property
    def is_lost(self) -> bool:
        """Whether the connection was made, and is gone."""
        return self._protocol is not None and not self._connected

    def _protocol_factory(self) -> H2Protocol:
        return _CloudProtocol(Handler(), self._config, self._h2_config)

    async def _create_connection(self) -> H2Protocol:
        """Make the connection: what the base class calls.

        Raises:
            OSError: there is none.
            TimeoutError: it took too long.
        """
        return await at_most(CONNECT, self._open(), lambda late: late.connection.close())

    async def _open(self) -> H2Protocol:
        proxy = proxy_to(self.server, tls=self._context is not None)
        if proxy is None:
            return await super()._create_connection()
        connecting = asyncio.to_thread(connect_through, proxy, *self._to, CONNECT)
        # The thread goes on if there is no time left for it.
        connection = await finish(connecting, lambda late: late.close())
        try:
            return await self._speak(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, ConnectionError):
                raise ProxyError(f"{error or type(error).__name__}, by the proxy {proxy}") from None
            raise

    async def _speak(self, connection: socket.socket) -> H2Protocol:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        name = self.server if self._context is not None else None
        _, protocol = await loop.create_connection(
            self._protocol_factory, sock=connection, ssl=self._context, server_hostname=name
        )
        return protocol


class _CloudProtocol(H2Protocol):
    """The protocol of a connection, which is over as soon as it is closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        super().connection_made(cast("asyncio.Transport", _Abrupt(transport)))


class _Abrupt:
    """A transport whose `close` does not wait for the other end's goodbye.

    TLS waits half a minute for it. So calls would, whose connection is closed since the other end
    gives no sign of life.
    """

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """End the connection."""
        self._transport.abort()


def _configuration() -> Configuration:
    return Configuration(
        _keepalive_time=PING,
        _keepalive_timeout=PONG,
        _keepalive_permit_without_calls=True,
        # The default, 300 s, would hold back the pings above.
        _http2_min_sent_ping_interval_without_data=PING / 2,
        # By default there are two, and no more until something is sent: a reader that waits for
        # output would never learn that the connection is gone.
        _http2_max_pings_without_data=0,
        http2_stream_window_size=WINDOW,
        # As large as those of all calls together, or unread output of some would block the others.
        http2_connection_window_size=CALLS * WINDOW,
    )


@functools.cache
def _tls(file: str | None) -> ssl.SSLContext:
    context = trusting(file)
    context.set_alpn_protocols(["h2"])
    return context
