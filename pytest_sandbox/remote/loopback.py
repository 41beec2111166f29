"""Both sides in one process, for tests and measurements of what lies between them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from grpclib.config import Configuration

from pytest_sandbox.client.transport import CALLS, WINDOW, WideChannel

from .far.service import FarService
from .near.connection import FarConnection
from .near.engine import RemoteEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.protocol import H2Protocol

    from pytest_sandbox.engine import Clock, Engine


def loopback_engine(make: Callable[[], Engine], clock: Clock | None = None) -> RemoteEngine:
    """An engine behind both sides, and a socket between them.

    Args:
        make: makes the engine, which is not started.
        clock: of the engine that is given.
    """

    async def connect() -> Loopback:
        return Loopback(FarService(make))

    return RemoteEngine(connect, clock)


class Loopback(FarConnection):
    """A connection to a session in this process.

    Args:
        service: of the session.

    Attributes:
        session: the session.
    """

    def __init__(self, service: FarService) -> None:
        self.session = service.session
        self.machine = "loopback"
        self._reason = ""
        self._channel = self.channel = _LoopbackChannel(service.accept)

    @property
    def reason(self) -> str:
        """Why the session is over; empty while it is not."""
        return self._reason

    async def close(self) -> None:
        """End the session."""
        await self.end("it was closed")

    async def end(self, reason: str) -> None:
        """End the session, for a reason."""
        self._reason = self._reason or reason
        self._channel.close()
        await self.session.end()


class _LoopbackChannel(WideChannel):
    def __init__(self, far_end: Callable[[], H2Protocol]) -> None:
        windows = Configuration(
            http2_stream_window_size=WINDOW, http2_connection_window_size=CALLS * WINDOW
        )
        super().__init__(path="loopback", config=windows)
        self._far_end: Callable[[], H2Protocol] | None = far_end

    async def _create_connection(self) -> H2Protocol:
        far_end, self._far_end = self._far_end, None
        if far_end is None:
            raise ConnectionResetError("a session has one connection")
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        await loop.connect_accepted_socket(far_end, theirs)
        _, protocol = await loop.create_connection(self._protocol_factory, sock=ours)
        return protocol
