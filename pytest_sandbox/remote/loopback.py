"""Both sides in one process, for tests and measurements of what lies between them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from .far.service import FarService
from .near.channel import FarChannel
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
        return Loopback(FarService(lambda _: make()))

    return RemoteEngine(connect, clock)


class Loopback(FarConnection):
    """A connection to a session in this process.

    Args:
        service: serves it.
    """

    def __init__(self, service: FarService) -> None:
        self.machine = "loopback"
        self._service = service
        self._reason = ""
        self._connected = False
        self._channel = self.channel = FarChannel(self._connect)

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
        await self._service.end()

    async def _connect(self, near_end: Callable[[], H2Protocol]) -> H2Protocol:
        if self._connected:
            raise ConnectionResetError("a session has one connection")
        self._connected = True
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        await loop.connect_accepted_socket(self._service.accept, theirs)
        _, protocol = await loop.create_connection(near_end, sock=ours)
        return protocol
