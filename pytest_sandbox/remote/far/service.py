"""A session as a server of gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status
from grpclib.config import Configuration

from pytest_sandbox.server import RpcServer

from .session import FarSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from grpclib.const import Handler
    from grpclib.protocol import H2Protocol

    from pytest_sandbox.engine import Engine

#: Bytes that may come of one call ahead of what is done with them, and of all calls. An upload that
#: waits for its sandbox takes the first, and must not hold up other calls.
_ONE_CALL, _ALL_CALLS = 4 * 1024 * 1024, 256 * 1024 * 1024


class FarService:
    """Serves one session by an engine of its own.

    Args:
        make: makes the engine, which is not started, with options that the run chose.

    Attributes:
        session: that is served.
    """

    def __init__(self, make: Callable[[Mapping[str, str]], Engine]) -> None:
        self.session = FarSession(make)
        self._handlers = self.session.__mapping__()

    def accept(self) -> H2Protocol:
        """The server's end of HTTP/2, for the one connection that a session has."""
        windows = Configuration(
            http2_stream_window_size=_ONE_CALL, http2_connection_window_size=_ALL_CALLS
        )
        return RpcServer(self, plain=True, config=windows).accept()

    async def end(self) -> None:
        """End all that the run has made."""
        await self.session.end()

    def handler(self, path: str) -> Handler | None:
        """The handler of a call."""
        return self._handlers.get(path)

    def refusal(self, path: str) -> Callable[[Any], Awaitable[None]]:
        """The answer to a call that there is not: no near side of this version makes one."""

        async def refuse(_: Any) -> None:
            raise GRPCError(Status.UNIMPLEMENTED, f"there is no {path[:200]!r}")

        return refuse
