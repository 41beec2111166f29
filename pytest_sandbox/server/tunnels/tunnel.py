"""One port of a sandbox, reachable from this machine."""

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import EngineError, SupportsPorts

from ..async_helpers import start
from .relay import CHUNK, DRAIN_TIMEOUT, relay, reset

if TYPE_CHECKING:
    from ..model.sandbox import ServedSandbox

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
    """

    def __init__(self, sandbox: "ServedSandbox", port: int, listener: socket.socket) -> None:
        self._sandbox = sandbox
        self._port = port
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Future[Any]] = set()

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Take connections.

        Args:
            context: for TLS, which ends here: the program inside gets plain text.
        """
        self._server = await asyncio.start_server(
            self._accept,
            sock=self._listener,
            ssl=context,
            ssl_handshake_timeout=None if context is None else _HANDSHAKE,
            limit=CHUNK,
        )

    def close(self) -> None:
        """Stop listening; clients have `DRAIN_TIMEOUT` seconds to read what was sent before."""
        if self._server is None:
            self._listener.close()
        else:
            self._server.close()
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
        if len(self._relays) >= MOST:
            reset(writer)
            return
        under_way = start(self._relay(reader, writer))
        self._relays.add(under_way)
        under_way.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._sandbox.lifetime.activity():
            try:
                connection = await SupportsPorts.of(self._sandbox.task).connect(self._port)
            except (OSError, EngineError):
                reset(writer)  # TCP refuses at once, but here the connection is accepted already
                return
            await relay(reader, writer, connection)
