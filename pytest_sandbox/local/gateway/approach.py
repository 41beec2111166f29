"""A connection of one sandbox to another, until it is made."""

from __future__ import annotations

import errno
import os
import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pytest_sandbox._shared.network.connection_log import Destination

    from .peer_ports import PeerPorts

    #: Is given the approach, and the connection or why it could not be made.
    Made: TypeAlias = Callable[["Approach", "socket.socket | OSError"], None]


class Approach:
    """A connection to a port of another sandbox, on its way.

    Args:
        inner: the connection of the sandbox, accepted; the caller's.
        target: what the program connected to.
        ports: those of the other sandbox.
        epoll: watches the connection.
        watched: told of each connection that is watched, and of none.
        made: called once, unless it is stopped.

    Attributes:
        inner: as given.
        target: as given.
        ports: as given.
    """

    def __init__(
        self,
        inner: socket.socket,
        target: Destination,
        ports: PeerPorts,
        epoll: select.epoll,
        watched: Callable[[Approach, int, bool], None],
        made: Made,
    ) -> None:
        self.inner = inner
        self.target = target
        self.ports = ports
        self._epoll = epoll
        self._watched = watched
        self._made = made
        self._outer: socket.socket | None = None
        self._refusal: OSError | None = None
        self._over = False

    def start(self) -> None:
        """Begin it; it may be over on return."""
        self.ports.begin(socket.AF_INET, self.target.port, self._began)

    def handle(self, fd: int, events: int) -> None:
        """See how it went."""
        assert self._outer is not None
        error = self._outer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        outer = self._release()
        if not error:
            self._finish(outer)
            return
        outer.close()
        self._failed(OSError(error, os.strerror(error)))

    def stop(self) -> None:
        """Give it up."""
        self._over = True
        if self._outer is not None:
            self._release().close()

    def _began(self, result: socket.socket | OSError) -> None:
        if isinstance(result, OSError):
            if not self._over:
                self._failed(result)
        elif self._over:
            result.close()
        else:
            self._outer = result
            try:
                self._epoll.register(result, select.EPOLLOUT)
            except OSError as error:  # the user has as many descriptors watched as may be: epoll(7)
                self._outer = None
                result.close()
                self._finish(error)
            else:
                self._watched(self, result.fileno(), True)

    def _failed(self, error: OSError) -> None:
        # Many servers listen on one family only, and which one `localhost` means to them varies.
        if self._refusal is None and error.errno == errno.ECONNREFUSED:
            self._refusal = error
            self.ports.begin(socket.AF_INET6, self.target.port, self._began)
        else:
            self._finish(self._refusal or error)

    def _release(self) -> socket.socket:
        outer, self._outer = self._outer, None
        assert outer is not None
        self._epoll.unregister(outer)
        self._watched(self, outer.fileno(), False)
        return outer

    def _finish(self, result: socket.socket | OSError) -> None:
        self._over = True
        self._made(self, result)
