"""A connection whose name is read before it leads anywhere."""

from __future__ import annotations

import socket

from .hello import LONGEST, Incomplete, NoName, server_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from pytest_sandbox._shared.network.connection_log import Destination

_EPOLLIN = 1
_buffer = memoryview(bytearray(LONGEST))


class Greeting:
    """The beginning of a connection of TLS, which is left where it is.

    Args:
        inner: the connection of the sandbox.
        target: what the program connected to.
        epoll: watches it.
        done: called once, with the name, or with none and the reason.

    Attributes:
        inner: the connection; the caller's again once it is done.
        target: as given, until its name is known.
    """

    def __init__(
        self,
        inner: socket.socket,
        target: Destination,
        epoll: select.epoll,
        done: Callable[[Greeting, str, str], None],
    ) -> None:
        self.inner = inner
        self.target = target
        self._epoll = epoll
        self._done = done
        self._seen = -1
        self._watched = True
        epoll.register(inner, _EPOLLIN)

    def handle(self, fd: int, events: int) -> None:
        """Look at what has come."""
        try:
            size = self.inner.recv_into(_buffer, LONGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            if size in (0, self._seen):
                raise NoName("it ended before it was known where to")
            name = server_name(bytes(_buffer[:size]))
        except BlockingIOError:
            return
        except Incomplete:
            # Not woken before there is more: socket(7), SO_RCVLOWAT.
            self._seen = size
            self.inner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size + 1)
        except NoName as reason:
            self._finish("", str(reason))
        except OSError as error:
            self._finish("", error.strerror or "it broke off")
        else:
            self.inner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            self._finish(name, "")

    def give_up(self) -> str:
        """Watch it no more, since it takes too long; the reason."""
        if not self._watched:
            return "no name server answered in time"
        self.stop()
        return "it did not say where to in time"

    def stop(self) -> None:
        """Watch it no more."""
        if self._watched:
            self._watched = False
            self._epoll.unregister(self.inner)

    def _finish(self, name: str, reason: str) -> None:
        self.stop()
        self._done(self, name, reason)
