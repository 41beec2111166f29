"""Both sides in one process, for tests and measurements of what lies between them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status
from grpclib.config import Configuration

from pytest_sandbox.client.transport import CALLS, WINDOW, WideChannel
from pytest_sandbox.server import RpcServer

from .far.session import FarSession
from .near.connection import FarConnection
from .near.engine import RemoteEngine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from grpclib.const import Handler
    from grpclib.protocol import H2Protocol

    from pytest_sandbox.engine import Clock, Engine


def loopback_engine(make: Callable[[], Engine], clock: Clock | None = None) -> RemoteEngine:
    """An engine behind both sides, and a socket between them.

    Args:
        make: makes the engine, which is not started.
        clock: of the engine that is given.
    """

    async def connect() -> Loopback:
        return Loopback(FarSession(make))

    return RemoteEngine(connect, clock)


class Loopback(FarConnection):
    """A connection to a session in this process.

    Args:
        session: the session.
    """

    def __init__(self, session: FarSession) -> None:
        self.session = session
        self.machine = "loopback"
        self._reason = ""
        self._handlers = session.__mapping__()
        self._channel = self.channel = _LoopbackChannel(self._far_end)
        self._far: H2Protocol | None = None

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

    def _far_end(self) -> H2Protocol:
        return RpcServer(self, plain=True).accept()

    def handler(self, path: str) -> Handler | None:
        """The handler of a call."""
        return self._handlers.get(path)

    def refusal(self, path: str) -> Callable[[Any], Awaitable[None]]:
        """The answer to a call that there is not."""

        async def refuse(_: Any) -> None:
            raise GRPCError(Status.UNIMPLEMENTED, f"there is no {path[:200]!r}")

        return refuse


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
