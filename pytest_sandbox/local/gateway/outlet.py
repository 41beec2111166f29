"""The way out of one sandbox: accepts its connections, and relays those that are allowed."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time

from . import relay
from .reach import Reach, plain
from .relay import Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reach import Address

#: Connections of one sandbox at a time; further ones wait in the queue of its listener.
MOST = 512
#: Connections and events that are handled before other sandboxes have their turn.
_TURN = 16
#: Seconds until a connection counts as failed that the other side does not answer.
CONNECT_TIMEOUT = 30.0
#: Bytes in the kernel for all connections of a sandbox, and for the two directions of the two sides
#: of one: few connections get what the kernel finds best, and many share.
_ROOM, _LEAST = 64 * 1024 * 1024, 16 * 1024
_FREE = 8
#: Descriptors that accept(2) and socket(2) may be out of, the process or the machine.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SO_ORIGINAL_DST = 80  # include/uapi/linux/netfilter_ipv4.h, and ip6_tables.h


class Outlet:
    """The listeners of a sandbox, and its connections.

    Args:
        listeners: of the sandbox; owned.
        reach: where its connections may lead.

    Attributes:
        relays: its connections.
    """

    def __init__(self, listeners: list[socket.socket], reach: Reach) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._reach = reach
        self._epoll = select.epoll()
        self._by_fd: dict[int, Relay] = {}
        self.relays: dict[Relay, float] = {}  # in the order of their beginning; when to give up
        self._listening = False
        self._accepted: socket.socket | None = None  # not begun yet, for want of descriptors
        for listener in listeners:
            listener.setblocking(False)
        self.resume()

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""
        return self._epoll.fileno()

    def serve(self) -> None:
        """Do a bounded amount of what there is to do.

        Raises:
            OutOfDescriptors: there are none left for a connection; nothing is lost.
        """
        if self._accepted is not None:
            self._begin(self._accepted)
        for fd, events in self._epoll.poll(0, _TURN):
            if fd in self._listeners:
                self._accept(self._listeners[fd])
            elif fd in self._by_fd:  # not closed by what came before it
                self._by_fd[fd].handle(fd, events)

    def give_up(self) -> float | None:
        """End connections that take too long to be made; the seconds until there is another one."""
        now = time.monotonic()
        for one, deadline in list(self.relays.items()):
            if one.connecting and deadline > now:
                return deadline - now
            if one.connecting:
                one.reset()
        return None

    def yield_one(self) -> None:
        """End the newest connection, for the sake of other sandboxes."""
        next(reversed(self.relays)).reset()

    def pause(self) -> None:
        """Accept no connection until one has ended."""
        if self._listening:
            self._listening = False
            for listener in self._listeners:
                self._epoll.unregister(listener)

    def close(self) -> None:
        """End everything."""
        for one in list(self.relays):
            one.reset()
        self.pause()
        for sock in (*self._listeners.values(), *filter(None, [self._accepted])):
            sock.close()
        self._epoll.close()

    def resume(self) -> None:
        """Accept connections, unless there are enough."""
        if not self._listening and len(self.relays) < MOST:
            self._listening = True
            for listener in self._listeners:
                self._epoll.register(listener, select.EPOLLIN)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_TURN):
            if len(self.relays) >= MOST:
                self.pause()
                return
            try:
                inner, _ = listener.accept()
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    raise OutOfDescriptors from error
                return  # there is none any more
            self._begin(inner)

    def _begin(self, inner: socket.socket) -> None:
        outer, self._accepted = None, None
        try:
            address, port = target(inner)
            refusal = self._reach.refusal(address)
            if not refusal:
                inner.setblocking(False)
                inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                relay.limit_buffers(inner, self._room())
                outer = relay.begin(
                    socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    str(address),
                    port,
                    self._room(),
                )
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                self._accepted = inner
                raise OutOfDescriptors from error
        if outer is None:
            relay.reset(inner)
            return
        try:
            one = Relay(inner, outer, self._epoll, self._closed)
        except OSError:  # the user has as many descriptors watched as may be: epoll(7)
            relay.reset(inner)
            relay.reset(outer)
            return
        self.relays[one] = time.monotonic() + CONNECT_TIMEOUT
        for fd in one.fds:
            self._by_fd[fd] = one

    def _room(self) -> int:
        count = len(self.relays)
        return 0 if count < _FREE else max(_LEAST, _ROOM // (4 * count))

    def _closed(self, one: Relay) -> None:
        del self.relays[one]
        for fd in one.fds:
            del self._by_fd[fd]
        self.resume()


class OutOfDescriptors(Exception):
    """No connection can be accepted or made until another one has ended."""


def target(sock: socket.socket) -> tuple[Address, int]:
    """Where a program connected to, whose connection was led to a listener: ip(7).

    Raises:
        OSError: it connected to the listener itself.
    """
    if sock.family == socket.AF_INET:
        data = sock.getsockopt(socket.IPPROTO_IP, _SO_ORIGINAL_DST, 16)
        port, packed = struct.unpack_from("!2xH4s", data)
    else:
        data = sock.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, 28)
        port, packed = struct.unpack_from("!2xH4x16s", data)
    return plain(socket.inet_ntop(sock.family, packed)), port
