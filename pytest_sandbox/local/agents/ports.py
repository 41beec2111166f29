"""Connections to ports of a sandbox: begun inside, used from here."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Connection, InvalidSpec, TaskEnded

from ..protocol import foreign
from ..protocol.agent import ConnectRequest
from .ready import finish, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent_link import AgentLink

#: Seconds that a listener may leave a connection waiting before its kernel queues it.
CONNECT_TIMEOUT = 10.0
#: Bytes that had arrived and stay readable after the end of a sandbox; more than a socket holds.
_REST = 16 * 1024 * 1024
_CHUNK = 256 * 1024
#: Set with each call: the sandbox shares the descriptor's flags, and may make it block.
_NOW = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class LocalPorts:
    """The ports of one task."""

    def __init__(self, link: AgentLink) -> None:
        self._link = link
        self._opened: set[LocalConnection] = set()

    async def connect(self, port: int) -> Connection:
        """Connect to a port, by IPv4 or else by IPv6."""
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise InvalidSpec(f"port {port!r} is not a number from 1 to 65535")
        try:
            return await self._connect(socket.AF_INET, port)
        except OSError as error:
            # Many servers listen on one family only, and which one `localhost` means to them
            # varies.
            with contextlib.suppress(OSError):
                return await self._connect(socket.AF_INET6, port)
            raise ConnectionRefusedError(
                errno.ECONNREFUSED,
                f"nothing takes connections to port {port} in the sandbox: {error.strerror}",
            ) from None

    async def _connect(self, family: socket.AddressFamily, port: int) -> LocalConnection:
        fd = await self._begin(family, port)
        connection = LocalConnection(_checked(fd, family), self._opened)
        try:
            await connection.established()
        except BaseException:
            connection.release()
            raise
        return connection

    async def _begin(self, family: socket.AddressFamily, port: int) -> int:
        """A socket on its way to a port, not blocking."""
        request = ConnectRequest(family=int(family), port=port)
        return await self._link.request_descriptor(request)

    def task_ended(self) -> None:
        """The sandbox is gone; an open socket would keep its network."""
        for connection in list(self._opened):
            connection.task_ended()


class LocalConnection(Connection):
    """A socket of a sandbox's network; `opened` knows it until it is closed.

    Args:
        sock: the connection, maybe still under way; owned.
        opened: the task's connections.
    """

    def __init__(self, sock: socket.socket, opened: set[LocalConnection]) -> None:
        self._sock: socket.socket | None = sock
        self._opened = opened
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        opened.add(self)

    async def established(self) -> None:
        """Return when the listener's side has taken it.

        Raises:
            OSError: it has not.
            TaskEnded: the sandbox ended meanwhile.
        """
        try:
            # A socket that connects becomes writable when it has, or has failed: connect(2),
            # EINPROGRESS.
            await asyncio.wait_for(self._writable(), CONNECT_TIMEOUT)
        except asyncio.TimeoutError:
            text = f"the listener did not accept within {CONNECT_TIMEOUT:g} seconds"
            raise OSError(errno.ETIMEDOUT, text) from None
        if self._sock is None:
            raise TaskEnded("the task has ended")
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty when the peer has ended."""
        async with self._reading:
            while (data := self._read_now(size)) is None:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)
            return data

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        async with self._writing:
            view = memoryview(data)
            while view:
                written = self._write_now(view)
                view = view[written:]
                if not written:
                    await self._writable()

    async def end(self) -> None:
        """Let the peer see the end of what we write, after what was written before."""
        async with self._writing:
            if self._sock is not None:
                with contextlib.suppress(OSError):  # the peer is gone
                    self._sock.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Release the connection."""
        self.release()
        self._rest = b""

    def release(self) -> None:
        """Close at once; calls that wait for it are woken."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            foreign.close([sock.detach()])
            self._opened.discard(self)
        for future in self._waiting:
            finish(future)

    def task_ended(self) -> None:
        """The sandbox is gone; what it had sent can still be read."""
        parts: list[bytes] = []
        with contextlib.suppress(OSError):
            while self._sock and sum(map(len, parts)) < _REST:
                parts.append(self._sock.recv(_CHUNK, _NOW))
                if not parts[-1]:
                    break
        self._rest = b"".join(parts)
        self.release()

    def _read_now(self, size: int) -> bytes | None:
        """Some bytes, none at the end, or `None` when there are none yet."""
        if self._sock is None:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        try:
            return self._sock.recv(size, _NOW)
        except BlockingIOError:
            return None

    def _write_now(self, view: memoryview) -> int:
        if self._sock is None:
            raise BrokenPipeError(errno.EPIPE, "the connection has ended")
        try:
            return self._sock.send(view, _NOW)
        except BlockingIOError:
            return 0

    async def _writable(self) -> None:
        await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _ready(self, add: Callable[..., None], remove: Callable[..., object]) -> None:
        """Return when there may be something to do, or the connection is closed."""
        sock, future = self._sock, self._loop.create_future()
        if sock is None:
            return
        watch(add, sock.fileno(), finish, future)
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            if self._sock is not None:
                remove(sock)


def _checked(fd: int, family: socket.AddressFamily) -> socket.socket:
    """The socket that was asked for; anything else could do what it wants here."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        if (sock.family, sock.type, sock.proto) == (
            family,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
        ):
            return sock
        fd = sock.detach()
    foreign.close([fd])
    raise OSError(errno.EIO, "the sandbox did not send the connection")
