"""One port of a sandbox, reachable from this machine."""

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import EngineError, SupportsPorts

from ..async_helpers import start
from ..rpc.handshake import Handshake
from .relay import CHUNK, DRAIN_TIMEOUT, relay, reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.sandbox import ServedSandbox
    from .visitors import Visitors

#: The most connections through one tunnel at a time; each takes two descriptors.
MOST = 1000
#: Seconds that a client has for its part of the TLS handshake.
_HANDSHAKE = 10.0


class TunnelListener:
    """Takes connections on the loopback interface and forwards connections into a sandbox.

    Each connection goes to the task that the sandbox has then: a restore replaces it.

    Args:
        sandbox: the sandbox, which is not idle while there are connections.
        port: the port inside.
        listener: a socket that listens, which it owns.
        visitors: says who may connect.
    """

    def __init__(
        self,
        sandbox: "ServedSandbox",
        port: int,
        listener: socket.socket,
        visitors: "Visitors",
    ) -> None:
        self._sandbox = sandbox
        self._port = port
        self._listener = listener
        self._visitors = visitors
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Future[Any]] = set()
        self._entering: set[asyncio.WriteTransport] = set()

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Take connections.

        Args:
            context: for TLS, which ends here: the program inside gets plain text.
        """
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(context), sock=self._listener
        )

    def _protocol(self, context: ssl.SSLContext | None) -> asyncio.Protocol:
        """What takes a connection; over TLS, nobody has a handshake who may not connect."""
        if context is None:
            return _streams(self._accept)
        return Handshake(context, self._enter, lambda: _streams(self._begin), _HANDSHAKE)

    def close(self) -> None:
        """Stop listening; clients have `DRAIN_TIMEOUT` seconds to read what was sent before."""
        if self._server is None:
            self._listener.close()
        else:
            self._server.close()
        for transport in self._entering:
            transport.abort()
        loop = asyncio.get_running_loop()
        for under_way in self._relays:
            loop.call_later(DRAIN_TIMEOUT, under_way.cancel)

    async def abort(self) -> None:
        """Stop listening, end all connections, and return when that is done."""
        self.close()
        for under_way in self._relays:
            under_way.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (leave := self._enter(writer.transport)) is not None:
            leave()
            self._begin(reader, writer)

    def _enter(self, transport: asyncio.WriteTransport) -> "Callable[[], None] | None":
        """Let in who may connect, before anything is read; `None` if they were refused."""
        if self._refuses(transport) or len(self._relays) + len(self._entering) >= MOST:
            reset(transport)
            return None
        self._entering.add(transport)
        return lambda: self._entering.discard(transport)

    def _refuses(self, transport: asyncio.WriteTransport) -> bool:
        return bool(
            self._visitors.user_refusal(transport.get_extra_info("socket"), self._port)
            or self._visitors.address_refusal(host_of(transport), self._port)
        )

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way = start(self._relay(reader, writer))
        self._relays.add(under_way)
        under_way.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._sandbox.lifetime.activity():
            try:
                connection = await SupportsPorts.of(self._sandbox.task).connect(self._port)
            except (OSError, EngineError):
                # TCP refuses at once, but here the connection is accepted already.
                reset(writer.transport)
                return
            await relay(reader, writer, connection)


def host_of(transport: asyncio.BaseTransport) -> str:
    """Where a connection comes from; empty if it was reset before that was known."""
    return str((transport.get_extra_info("peername") or ("",))[0])


def _streams(
    connected: "Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]",
) -> asyncio.StreamReaderProtocol:
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=CHUNK), connected)
