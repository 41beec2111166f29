"""A gRPC server that goes beyond grpclib in three ways, for which grpclib has no setting."""

import logging
from abc import abstractmethod
from asyncio import BaseTransport, Transport
from collections.abc import Callable, Mapping
from socket import socket
from typing import Any, Protocol, cast

from google.protobuf.empty_pb2 import Empty
from grpclib.const import Cardinality, Handler
from grpclib.protocol import Connection, EventsProcessor, H2Protocol
from grpclib.server import Server
from h2.connection import H2Connection
from h2.settings import SettingCodes

from pytest_sandbox.rpcs import StatusDetails

from .call import Serve

log = logging.getLogger("pytest_sandbox.server")

_MAX_CONCURRENT_CALLS = 100_000


class AnyServices(Protocol):
    """What a server serves: `Services`, or something that a test puts in front of them."""

    @abstractmethod
    def __mapping__(self) -> dict[str, Handler]:
        """What grpclib asks for: path to handler."""

    @abstractmethod
    def refusal(self, path: str) -> Serve:
        """The answer to a call of a path that has no handler."""


class RpcServer(Server):
    """A server that names an RPC it does not have, and allows any number of concurrent calls.

    grpclib answers only "Method not found". And h2 allows 100 calls under way on one connection,
    while a client can keep several open for each sandbox, for as long as that lives.

    Args:
        services: what it serves.
        refuses: says why the peer of a connection is not served, which is then ended before
            anything is read; empty if it is. `None` serves all.
    """

    def __init__(
        self, services: AnyServices, refuses: Callable[[socket], str] | None = None
    ) -> None:
        super().__init__([services], status_details_codec=StatusDetails())
        self._refuses = refuses
        self._mapping = _WithRefusals(self._mapping, services.refusal)

    def accept(self) -> H2Protocol:
        """The server's end of a connection that comes in some other way than by a socket."""
        return self._protocol_factory()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        return _ManyCalls(self._refuses, protocol.handler, protocol.config, protocol.h2_config)


class _ManyCalls(H2Protocol):
    """Any number of concurrent calls on one connection, of a peer that is served."""

    def __init__(self, refuses: Callable[[socket], str] | None, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._refuses = refuses
        self._refused = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Do what grpclib does, which keeps the h2 connection to itself, and set the number."""
        refuses = self._refuses
        if refuses is not None and (reason := refuses(transport.get_extra_info("socket"))):
            log.warning("a connection was refused: %s", reason)
            self._refused = True
            self.handler.close()
            cast("Transport", transport).abort()
            return
        connection = H2Connection(config=self.h2_config)
        connection.initiate_connection()
        window = connection.local_settings.initial_window_size
        if more := self.config.http2_connection_window_size - window:
            connection.increment_flow_control_window(more)
        connection.update_settings(
            {
                SettingCodes.INITIAL_WINDOW_SIZE: self.config.http2_stream_window_size,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_CONCURRENT_CALLS,
            }
        )
        self.connection = Connection(connection, cast("Transport", transport), config=self.config)
        self.connection.flush()
        self.connection.initialize()
        self.processor = EventsProcessor(self.handler, self.connection)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Do what grpclib does, for a connection that was served."""
        if not self._refused:
            super().connection_lost(exc)


class _WithRefusals(dict[str, Handler]):
    """Handlers by path, and for every other path one that refuses the call by name."""

    def __init__(self, handlers: Mapping[str, Handler], refusal: Callable[[str], Serve]) -> None:
        super().__init__(handlers)
        self._refusal = refusal

    def get(self, path: str, default: Any = None) -> Any:
        handler = super().get(path)
        if handler is None:
            return Handler(self._refusal(path), Cardinality.STREAM_STREAM, Empty, Empty)
        return handler
