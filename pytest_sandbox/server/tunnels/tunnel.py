"""One port of a sandbox, reachable from this machine."""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from pytest_sandbox.engine import EngineError, SupportsPorts

from ..async_helpers import start
from .relay import CHUNK, PATIENCE, relay, reset

if TYPE_CHECKING:
    from ..model.sandbox import ServedSandbox

HOST = "127.0.0.1"

#: Connections through one tunnel at a time; each takes two descriptors.
MOST = 1000
#: Seconds that a client may take for its part of the handshake of TLS.
_HANDSHAKE = 10.0


class TunnelListener:
    """A listener on the loopback interface, whose connections go on into a sandbox.

    The sandbox is asked for its task at each connection: it may have been restored meanwhile.

    Args:
        sandbox: the sandbox, which is not idle while there are connections.
        port: the port inside.
        context: for TLS, which ends here: the program inside sees what is in it.
    """

    def __init__(self, sandbox: "ServedSandbox", port: int, context: ssl.SSLContext | None) -> None:
        self._box = sandbox
        self._port = port
        self._context = context
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Future[Any]] = set()

    async def open(self) -> int:
        """Listen; the port on the outside.

        Raises:
            OSError: no descriptor or port is left.
        """
        self._server = await asyncio.start_server(
            self._accept,
            HOST,
            0,
            ssl=self._context,
            ssl_handshake_timeout=None if self._context is None else _HANDSHAKE,
            limit=CHUNK,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Listen no more; clients may still fetch what the sandbox had sent."""
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        for under_way in self._relays:
            loop.call_later(PATIENCE, under_way.cancel)

    async def abort(self) -> None:
        """The same, without regard to clients, and return when nothing is left of it."""
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
        with self._box.lifetime.activity():
            try:
                connection = await SupportsPorts.of(self._box.task).connect(self._port)
            except (OSError, EngineError):
                reset(writer)  # as a port without a listener does, if a moment late
                return
            await relay(reader, writer, connection)
