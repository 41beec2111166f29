"""The listeners of a sandbox, and the connections that wait there to be accepted."""

from __future__ import annotations

import select
import socket
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_sandbox._shared.network.connection_log import ConnectionLog

#: Seconds that connections wait before the log says so: those of a short burst are soon served.
_LONG = 1.0
#: Of struct tcp_info, up to tcpi_unacked: of a listener, that is how many connections are in its
#: queue, as tcp_get_info in net/ipv4/tcp.c has it.
_TCP_INFO = struct.Struct("=24xI")


class OutletListeners:
    """Watched while connections may be accepted.

    Args:
        sockets: owned.
        epoll: watches them.
        log: says when connections wait for long.
        most: connections that the sandbox has at a time.
    """

    def __init__(
        self, sockets: list[socket.socket], epoll: select.epoll, log: ConnectionLog, most: int
    ) -> None:
        self._by_fd = {one.fileno(): one for one in sockets}
        self._epoll = epoll
        self._log = log
        self._most = most
        self._watched = False
        self._full_since: float | None = None

    def get(self, fd: int) -> socket.socket | None:
        """The listener with this descriptor."""
        return self._by_fd.get(fd)

    def pause(self, *, full: bool = False) -> None:
        """Watch them no more.

        Args:
            full: whether that is because the sandbox has all the connections that it may have.
        """
        if full and self._full_since is None:
            self._full_since = time.monotonic()
        if self._watched:
            self._watched = False
            for fd in self._by_fd:
                self._epoll.unregister(fd)

    def resume(self) -> None:
        """Watch them."""
        if self._watched:
            return
        if self._full_since is not None and time.monotonic() - self._full_since >= _LONG:
            self.note_waiting()
        self._full_since = None
        self._watched = True
        for fd in self._by_fd:
            self._epoll.register(fd, select.EPOLLIN)

    def note_waiting(self) -> None:
        """Note in the log how many connections wait for others to end."""
        waiting = 0 if self._full_since is None else sum(map(_queued, self._by_fd.values()))
        if waiting:
            self._log.note_waiting(waiting, self._most)

    def close(self) -> None:
        """Close them; what waits there is reset."""
        self.pause()
        for sock in self._by_fd.values():
            sock.close()


def _queued(listener: socket.socket) -> int:
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    return int(_TCP_INFO.unpack(info)[0])
