"""Connections to one server, opened on demand.

A server takes at most 100 calls at a time on one connection (the default of `h2`), and calls
that wait for an event take long. So there are as many connections as needed, each with its share
of the calls.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pytest_sandbox._http2 import ReadyConfiguration
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox._proto.router_grpc import TaskCommandRouterStub
from pytest_sandbox._shared import real
from pytest_sandbox.rpcs import StatusDetails

from .. import exceptions
from .portal import portal
from .server import Server
from .wide_channel import WideChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.client import ServiceMethod

__tracebackhide__ = True  # a failing test shows the caller's line, not these


#: Calls on one connection at a time.
CALLS = 64
#: Bytes that may be received ahead of their reader, per call.
WINDOW = 4 * 1024 * 1024
WINDOWS = ReadyConfiguration(
    http2_stream_window_size=WINDOW,
    # As large as the windows of all calls together: else unread output of some calls would block
    # the others.
    http2_connection_window_size=CALLS * WINDOW,
)
#: Bytes of the end of the engine's log that are shown when it died.
LOG_TAIL = 4096


class UnixServer(Server):
    """The engine process that serves on a Unix socket."""

    def __init__(self, path: str, engine: str = "") -> None:
        self.path = self.address = path
        self.engine = engine

    def channel(self) -> WideChannel:
        """A connection over the socket, with room for readers that stand still."""
        return WideChannel(path=self.path, config=WINDOWS, status_details_codec=StatusDetails())

    def unreachable(self, error: OSError) -> exceptions.ConnectionError:
        """The process has ended: nothing else removes or closes its socket."""
        # The directory of a run ends with it.
        run_ended = not real.os.path.exists(os.path.dirname(self.path))
        return exceptions.EngineDiedError(self.path, self._log_tail(), run_ended=run_ended)

    def _log_tail(self) -> str:
        try:
            data = real.read_file(os.path.join(os.path.dirname(self.path), "server.log"))
        except OSError:
            return ""
        return data[-LOG_TAIL:].decode(errors="replace").strip()


class ServerLink:
    """A connection, and the stubs that call over it; in a `with`, there is one call more.

    Attributes:
        channel: the connection.
        control: calls of the control plane.
        router: calls of the command router.
        extensions: calls that only servers of this package have.
        calls: how many are under way.
    """

    def __init__(self, channel: WideChannel) -> None:
        self.channel = channel
        self.control = cast("ModalClientStub", _LateStub(ModalClientStub, channel))
        self.router = cast("TaskCommandRouterStub", _LateStub(TaskCommandRouterStub, channel))
        self.extensions = cast("ExtensionsStub", _LateStub(ExtensionsStub, channel))
        self.calls = 0

    def __enter__(self) -> ServerLink:
        self.calls += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.calls -= 1


class _LateStub:
    """A stub whose methods are made when they are first asked for: few of them are ever called."""

    def __init__(self, kind: Callable[[Any], Any], channel: WideChannel) -> None:
        self._kind = kind
        self._channel = channel

    def __getattr__(self, name: str) -> ServiceMethod[Any, Any]:
        known: ServiceMethod[Any, Any] = getattr(_whole_stub(self._kind), name)
        method = type(known)(self._channel, known.name, known.request_type, known.reply_type)
        setattr(self, name, method)
        return method


@cache
def _whole_stub(kind: Callable[[Any], Any]) -> Any:
    """A stub without a channel, which knows the names and types of all methods."""
    return kind(None)


class Channels:
    """The connections of a client, to be used on the portal's loop only."""

    def __init__(self, server: Server) -> None:
        self.server = server
        #: Why there are no more connections; empty while there are.
        self.shut_reason = ""
        #: Called before each call, and may raise an error in its place.
        self.before_call: Callable[[], None] | None = None
        self._links: list[ServerLink] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget: Callable[[], None] = _nothing
        _all.add(self)

    def link(self) -> ServerLink:
        """A connection with room for one more call, to be made in a `with`."""
        if self.before_call is not None:
            self.before_call()
        return self._roomy()

    def wait(self) -> None:
        """Say that the server is waited for now: time in memory must not skip ahead of it."""
        portal().wait_for(self.server)

    def close(self) -> None:
        """Close all connections; calls under way fail."""
        for link in self._links:
            link.channel.close()
        self._links.clear()

    def shut(self, reason: str = "this client was closed; make another") -> None:
        """Close all connections, and open no more: calls raise `ClientClosed` with the reason."""
        self.shut_reason = reason
        self.close()
        self._forget()
        self._forget = _nothing  # it refers to this

    def _roomy(self) -> ServerLink:
        if self.shut_reason:
            raise exceptions.ClientClosed(self.shut_reason)
        self._settle()
        for link in self._links:
            if link.calls < CALLS:
                return link
        self._links.append(ServerLink(self.server.channel()))
        return self._links[-1]

    def disown(self) -> None:
        """Leave the connections to the parent process, after a fork."""
        for link in self._links:
            link.channel.disown()
        self._links = []

    def _settle(self) -> None:
        """Start anew on a new loop: that of a fork, or the one after the portal was closed."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._links = []
            self._loop = loop
            self._forget = portal().at_close(self.close)


def _nothing() -> None:
    pass


_all: weakref.WeakSet[Channels] = weakref.WeakSet()


def _after_fork() -> None:
    for channels in _all:
        channels.disown()


os.register_at_fork(after_in_child=_after_fork)
