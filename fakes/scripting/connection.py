"""The two ends of a connection to a port in memory."""

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Connection

from ..files.view import FileView
from ..processes.pipe import Pipe
from .http import Request, read_request, response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..processes.kernel import Kernel

_CHUNK = 65536
_TURN = 32


class End:
    """One of two ends: bytes come in by one pipe and go out by the other."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._reader = incoming.reader()
        self._writer = outgoing.writer()
        self._outgoing = outgoing
        self._ended = self._closed = self._broken = False
        self._calls = 0
        self.other: End | None = None

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty at the end."""
        await self._turn()
        data = b"" if self._broken or self._closed else await self._reader.read(size)
        if self._broken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return data

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        await self._turn()
        if self._ended or self._broken:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        await self._writer.write(data)

    @property
    def alone(self) -> bool:
        """Whether the other has let go of it, or broke it off."""
        return self._broken or (self.other is not None and self.other._closed)

    async def _turn(self) -> None:
        """Let others run now and then, whoever reads and writes without ever having to wait."""
        self._calls += 1
        if self._calls % _TURN == 0:
            await asyncio.sleep(0)

    def end(self) -> None:
        """Let the other see the end of what is written; a second call does nothing."""
        if not self._ended:
            self._ended = True
            self._writer.release()

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        self.end()
        if not self._closed:
            self._closed = True
            self._reader.release()

    def break_off(self) -> None:
        """Close it as a reset of TCP does: what is on its way is lost, and the other hears it."""
        if self.other is not None and not self._closed:
            self.other._broken = True
        self._outgoing.break_()
        self.close()


def line() -> tuple[End, End]:
    """Two ends that belong together."""
    one, two = Pipe(), Pipe()
    here, there = End(one, two), End(two, one)
    here.other, there.other = there, here
    return here, there


class MemoryConnection(Connection):
    """The end that the engine gives away."""

    def __init__(self, end: End) -> None:
        self._end = end

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty when the peer has ended."""
        return await self._end.read(size)

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        await self._end.write(data)

    async def end(self) -> None:
        """Let the peer see the end of what we write; a second call does nothing."""
        self._end.end()

    async def close(self) -> None:
        """Release the connection; a second call does nothing."""
        self._end.close()


class Peer:
    """A connection as the handler of a port sees it: the one who connected.

    It is closed when the handler returns. A handler may return what is to be sent last, as text
    or bytes.

    Attributes:
        port: the port that was connected to.
        files: the files of the sandbox.
        received: all that came, if the script was made with `read=True`.
    """

    def __init__(self, kernel: "Kernel", port: int, end: End) -> None:
        self._kernel = kernel
        self._end = end
        self._ahead = b""
        self.port = port
        self.files = FileView(kernel.fs)
        self.received = b""

    async def read(self, size: int = _CHUNK) -> bytes:
        """Up to `size` bytes; waits for some, and is empty only at the end.

        Raises:
            ConnectionError: the connection was broken off.
        """
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data or await self._end.read(size)

    async def read_exactly(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        while len(self._ahead) < size and (more := await self._end.read(_CHUNK)):
            self._ahead += more
        return self._taken(size)

    async def read_all(self) -> bytes:
        """What comes until the other ends."""
        parts = []
        while data := await self.read():
            parts.append(data)
        return b"".join(parts)

    async def readline(self) -> bytes:
        """A line with its end; what there is, at the end of all."""
        while b"\n" not in self._ahead and (more := await self._end.read(_CHUNK)):
            self._ahead += more
        return self._taken(self._ahead.find(b"\n") + 1 or len(self._ahead))

    def _taken(self, size: int) -> bytes:
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    async def write(self, data: str | bytes) -> None:
        """Send; waits while the other does not read.

        Raises:
            ConnectionError: the other is gone.
        """
        await self._end.write(data.encode() if isinstance(data, str) else data)

    async def request(self) -> Request | None:
        """The next request of HTTP/1; `None` when there are no more.

        Raises:
            ValueError: it is none.
        """
        return await read_request(self)

    async def respond(
        self,
        status: int = 200,
        body: str | bytes = b"",
        headers: "Mapping[str, str] | None" = None,
    ) -> None:
        """Answer a request of HTTP/1; the length of the body is told."""
        await self.write(response(status, body, headers or {}))

    @property
    def gone(self) -> bool:
        """Whether the other has closed the connection, or broke it off."""
        return self._end.alone

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._end.close()

    def break_off(self) -> None:
        """End it as a server that crashes does: the other gets an error, not the end."""
        self._end.break_off()

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        await self._kernel.clock.sleep(seconds)

    def __str__(self) -> str:
        return f"port {self.port}"
