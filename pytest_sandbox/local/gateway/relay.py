"""One connection: the bytes of a sandbox's side and of the other, moved both ways.

Nothing is held here. Bytes are looked at where the kernel has received them, and are taken off
there once the kernel of the other side has them: recv(2), MSG_PEEK and, for TCP, MSG_TRUNC. So a
side that does not read makes the other one wait, as without a relay.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import socket
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox._shared.network.faults import Disturbance

#: Bytes that are moved at a time, before others have their turn.
_CHUNK = 64 * 1024
#: As many times as this what a planned fault has held is moved, before others have their turn.
_BURST = 16
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
_TAKE = socket.MSG_TRUNC | socket.MSG_DONTWAIT
_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
#: SO_LINGER of 0 s, with which close(2) sends a reset, and none: socket(7).
_RESET, _NO_RESET = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
#: TCP_ESTABLISHED, a state of connections: net/tcp_states.h.
_ESTABLISHED = 1
_buffer = memoryview(bytearray(_CHUNK))


class OutOfDescriptors(Exception):
    """No connection can be accepted or made until another one has ended."""


class Side:
    """One end of a relay.

    Attributes:
        sock: the socket.
        ended: whether all was received from it, and the other side knows.
        blocked: whether it cannot take more at present.
        received: bytes that came from it and are not counted yet.
        watched: the events that the epoll instance watches it for.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.ended = False
        self.blocked = False
        self.received = 0
        self.watched = 0


class Relay:
    """A connection of a sandbox, and the one outside that it leads to.

    Unless both have ended, both sides see a reset at its end, also if this process is killed: what
    they have received is not all.

    Args:
        inner: the sandbox's, accepted; owned.
        outer: the other, on its way; owned.
        epoll: watches both.
        closed: called once, when it is over.

    Attributes:
        connecting: whether the other is still on its way.
        error: the errno with which it could not be made; else 0.
        fds: the descriptors of both, also once they are closed.
        cut: whether a planned fault has reset it.
    """

    def __init__(
        self,
        inner: socket.socket,
        outer: socket.socket,
        epoll: select.epoll,
        closed: Callable[[Relay], None],
    ) -> None:
        self.inner, self.outer = Side(inner), Side(outer)
        self.connecting = True
        self.error = 0
        self.cut = False
        self.fds = (inner.fileno(), outer.fileno())
        self._disturbance: Disturbance | None = None
        self._passed = 0
        self._held_until: float | None = None
        self._epoll = epoll
        self._closed = closed
        for side in (self.inner, self.outer):
            side.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._watch(self.outer, select.EPOLLOUT)

    def handle(self, fd: int, events: int) -> None:
        """Do a bounded amount of what can be done now."""
        side = self.inner if fd == self.fds[0] else self.outer
        other = self.outer if side is self.inner else self.inner
        if self.connecting and not self._connected():
            return
        if events & select.EPOLLERR:
            self.reset()
            return
        if side is self.outer and events & (select.EPOLLIN | select.EPOLLHUP) and self._hold():
            events &= select.EPOLLOUT
        try:
            if events & select.EPOLLOUT:
                self._move(other, side)
            if events & (select.EPOLLIN | select.EPOLLHUP):
                self._move(side, other)
        except OSError:  # a reset, which is passed on
            self.reset()
        else:
            self._end_or_watch()

    def disturb(self, disturbance: Disturbance | None) -> None:
        """Do what planned faults say from now on; of `None`, nothing."""
        self._disturbance = disturbance
        if disturbance is None or not disturbance.delay:
            self.release(math.inf)
        if disturbance is not None and disturbance.limit is not None and not self.connecting:
            self._cut_at_limit()

    @property
    def disturbance(self) -> Disturbance | None:
        """What planned faults do to it."""
        return self._disturbance

    @property
    def ended(self) -> bool:
        """Whether the sandbox's side has ended, also if what it sent is still to be moved."""
        # The first byte of struct tcp_info is the state: tcp(7), linux/tcp.h.
        state = self.inner.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state[0] != _ESTABLISHED

    @property
    def held_until(self) -> float | None:
        """When what has come from the other side is passed on, by `time.monotonic`."""
        return self._held_until

    def release(self, now: float) -> None:
        """Pass on what is held, if it is time."""
        if self._held_until is None or self._held_until > now:
            return
        self._held_until = None
        try:
            for _ in range(_BURST):
                before = self._passed
                self._move(self.outer, self.inner)
                if self._passed == before:
                    break
        except OSError:
            self.reset()
        else:
            self._end_or_watch()

    def _hold(self) -> bool:
        """Whether what has come from the other side has to wait; it does from now on."""
        delay = 0.0 if self._disturbance is None else self._disturbance.delay
        if delay and self._held_until is None:
            self._held_until = time.monotonic() + delay
        return self._held_until is not None

    def _cut_at_limit(self) -> bool:
        """End it if it has passed on as much as a planned fault lets it."""
        limit = None if self._disturbance is None else self._disturbance.limit
        if limit is None or self._passed < limit:
            return False
        self.cut = True
        self.reset()
        return True

    def take_counts(self) -> tuple[int, int]:
        """Bytes from the sandbox, and to it, since the last call."""
        counts = self.inner.received, self.outer.received
        self.inner.received = self.outer.received = 0
        return counts

    def reset(self) -> None:
        """End it; both sides see a reset, unless both have ended."""
        for side in (self.inner, self.outer):
            self._watch(side, 0)
            side.sock.close()
        self._closed(self)

    def _connected(self) -> bool:
        self.error = self.outer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if self.error:
            self.reset()
            return False
        self.connecting = False
        return not self._cut_at_limit()

    def _move(self, source: Side, target: Side) -> None:
        """Move some bytes, or the end.

        Raises:
            OSError: one of them is broken.
        """
        if source.ended:
            return
        if not (most := self._most(source)):
            return
        try:
            size = source.sock.recv_into(_buffer, most, _PEEK)
        except BlockingIOError:
            target.blocked = False
            return
        if size == 0:
            source.ended = True
            target.blocked = False
            target.sock.shutdown(socket.SHUT_WR)
            return
        try:
            sent = target.sock.send(_buffer[:size], _SEND)
        except BlockingIOError:
            sent = 0
        if sent:
            source.sock.recv_into(_buffer, sent, _TAKE)
            source.received += sent
            if source is self.outer:
                self._passed += sent
        target.blocked = sent < size

    def _most(self, source: Side) -> int:
        """Bytes that may be moved now."""
        disturbance = self._disturbance
        if source is self.inner or disturbance is None or disturbance.limit is None:
            return _CHUNK
        return min(_CHUNK, disturbance.limit - self._passed)

    def _end_or_watch(self) -> None:
        if self._cut_at_limit():
            return
        if self.inner.ended and self.outer.ended:
            for one in (self.inner, self.outer):
                one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_RESET)
            self.reset()
            return
        for side, other in ((self.inner, self.outer), (self.outer, self.inner)):
            held = side is self.outer and self._held_until is not None
            events = 0 if side.ended or other.blocked or held else select.EPOLLIN
            self._watch(side, events | (select.EPOLLOUT if side.blocked else 0))

    def _watch(self, side: Side, events: int) -> None:
        if events == side.watched:
            return
        # Not modified to nothing: an end or an error is always told, epoll_ctl(2), again and again.
        if not events:
            self._epoll.unregister(side.sock)
        elif side.watched:
            self._epoll.modify(side.sock, events)
        else:
            self._epoll.register(side.sock, events)
        side.watched = events


def reset(sock: socket.socket) -> None:
    """Close a connection so that its peer sees a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


def begin(family: int, address: str, port: int, room: int) -> socket.socket:
    """A connection on its way.

    Args:
        family: `AF_INET` or `AF_INET6`.
        address: where to.
        port: where to.
        room: bytes for its buffers in the kernel, or 0 to let the kernel choose.

    Raises:
        OSError: it cannot be made.
    """
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        limit_buffers(sock, room)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = sock.connect_ex((address, port))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
    except OSError:
        sock.close()
        raise
    return sock


def limit_buffers(sock: socket.socket, room: int) -> None:
    """Bound what the kernel holds of a connection in each direction; 0 for its own bounds."""
    if room:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
