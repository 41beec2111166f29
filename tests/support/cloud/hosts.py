"""The server of one host, which may not be ready for connections yet."""

import asyncio
import ssl
from dataclasses import dataclass

from pytest_sandbox.server import RpcServer
from pytest_sandbox.server.rpc.grpc_server import AnyServices


@dataclass
class Refused:
    """Connections that are ended as soon as they are made.

    Attributes:
        left: how many.
    """

    left: int


class HostServer(RpcServer):
    """A server that ends some connections before it serves one.

    Args:
        services: what it serves.
        context: its certificate.
        refused: the connections that it ends.
    """

    def __init__(self, services: AnyServices, context: ssl.SSLContext, refused: Refused) -> None:
        super().__init__(services, tokens=True, tls=context)
        self._refused = refused

    def _protocol_factory(self) -> asyncio.Protocol:  # type: ignore[override]
        if self._refused.left:
            self._refused.left -= 1
            return _Refusal()
        return super()._protocol_factory()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End the connection."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
