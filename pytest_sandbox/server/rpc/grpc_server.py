"""A gRPC server that goes beyond grpclib where grpclib has no setting."""

import asyncio
import ssl
import weakref
from abc import abstractmethod
from collections.abc import Callable
from socket import socket
from typing import Any, Protocol, cast

from google.protobuf.empty_pb2 import Empty
from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler
from grpclib.protocol import H2Protocol
from grpclib.server import Server

from pytest_sandbox._http2 import ReadyConfiguration
from pytest_sandbox.rpcs import StatusDetails

from .call import CallTasks, Serve
from .connection import ServedProtocol
from .handshake import Handshake
from .strangers import Strangers

#: What grpclib begins with.
_USUAL = ReadyConfiguration()


class AnyServices(Protocol):
    """What a server serves: `Services`, or something that a test puts in front of them."""

    @abstractmethod
    def handler(self, path: str) -> Handler | None:
        """The handler of a path."""

    @abstractmethod
    def refusal(self, path: str) -> Serve:
        """The answer to a call of a path that has no handler."""


class RpcServer(Server):
    """A server that names an RPC it does not have, and bounds what a connection can take.

    grpclib answers only "Method not found".

    Args:
        services: what is served.
        refuses: says why the peer of a connection is not served, which is then ended before
            anything is read; empty if it is. `None` serves all.
        tokens: whether callers need a token; connections without one are then limited.
        tls: to speak TLS; such callers need a token.
        plain: whether callers are trusted to speak HTTP/2 as ours do; see `PlainConnection`.
        config: how much callers may send ahead; grpclib's own if not given.
    """

    def __init__(
        self,
        services: AnyServices,
        refuses: Callable[[socket], str] | None = None,
        *,
        tokens: bool = False,
        tls: ssl.SSLContext | None = None,
        plain: bool = False,
        config: Configuration | None = None,
    ) -> None:
        super().__init__([], status_details_codec=StatusDetails(), config=config or _USUAL)
        self._refuses = refuses
        self._mapping = _Handlers(services)
        self._strangers = Strangers() if tokens else None
        self._tls = tls
        self._plain = plain
        self._open: weakref.WeakSet[ServedProtocol] = weakref.WeakSet()

    @property
    def calls(self) -> int:
        """How many calls are under way, on all connections."""
        return sum(cast("CallTasks", tasks).calls for tasks in self._handlers)

    def accept(self) -> H2Protocol:
        """The server's end of a connection that comes in some other way than by a socket."""
        return self._protocol(in_turns=False)

    def _protocol_factory(self) -> asyncio.Protocol:  # type: ignore[override]
        if self._tls is not None and self._strangers is not None:
            return Handshake(self._tls, self._strangers.add, lambda: self._protocol(in_turns=True))
        return self._protocol(in_turns=True)

    def _protocol(self, *, in_turns: bool) -> H2Protocol:
        """What grpclib makes for a connection, of our own classes."""
        self.__gc_step__()
        tasks = CallTasks(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(tasks)
        protocol = ServedProtocol(
            tasks,
            self._config,
            self._h2_config,
            refuses=self._refuses,
            strangers=self._strangers,
            in_turns=in_turns,
            plain=self._plain,
        )
        self._open.add(protocol)
        return protocol

    async def wait_closed(self) -> None:
        """Return when all calls and connections have ended, whether or not their clients have."""
        for protocol in self._open:
            protocol.close()
        await super().wait_closed()
        await asyncio.sleep(0)  # in which asyncio closes their sockets


class _Handlers(dict[str, Handler]):
    """The handlers of the paths that were called, since few ever are.

    For a path that has none, there is one that refuses the call by name.
    """

    def __init__(self, services: AnyServices) -> None:
        super().__init__()
        self._services = services

    def get(self, path: str, default: Any = None) -> Any:
        handler = super().get(path)
        if handler is None:
            handler = self._services.handler(path)
            if handler is None:  # and is not remembered: there are as many paths as one likes
                refuse = self._services.refusal(path)
                return Handler(refuse, Cardinality.STREAM_STREAM, Empty, Empty)
            self[path] = handler
        return handler
