"""Connections as the handler of a port sees them."""

import inspect
from collections.abc import Awaitable, Callable, Mapping

from ..files.view import FileView
from ..processes.connection import End
from ..processes.ports import Acceptor
from ..processes.process import KernelInterface
from .http import Request, read_request, response

_CHUNK = 65536


class Peer:
    """A connection as the handler of a port sees it, with the client at its other end.

    It is closed when the handler returns. A handler may return what is to be sent last, as text
    or bytes.

    Attributes:
        port: the port that was connected to.
        files: the files of the sandbox.
        received: all that came, if the script was made with `read=True`.
    """

    def __init__(self, kernel: KernelInterface, port: int, end: End) -> None:
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
        """All that comes until the client ends its side."""
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
        """Send all of `data`; waits while the client does not read.

        Raises:
            ConnectionError: the client is gone.
        """
        await self._end.write(data.encode() if isinstance(data, str) else data)

    async def request(self) -> Request | None:
        """The next HTTP/1 request; `None` when there are no more.

        Raises:
            ValueError: what came is no HTTP/1 request.
        """
        return await read_request(self)

    async def respond(
        self,
        status: int = 200,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer an HTTP/1 request, with `Content-Length`."""
        await self.write(response(status, body, headers or {}))

    @property
    def gone(self) -> bool:
        """Whether the client has closed or reset the connection."""
        return self._end.gone

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._end.close()

    def break_off(self) -> None:
        """Reset the connection, as a server that crashes does: the client gets an error."""
        self._end.reset()

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        await self._kernel.clock.sleep(seconds)

    def __str__(self) -> str:
        return f"port {self.port}"


#: What a handler returns: what is to be sent last, if anything.
Answer = str | bytes | None
PeerHandler = Callable[[Peer], Answer | Awaitable[Answer]]


async def answer_of(handler: PeerHandler, peer: Peer) -> Answer:
    """Call a handler, plain or asynchronous."""
    answer = handler(peer)
    return await answer if inspect.isawaitable(answer) else answer


def acceptor(kernel: KernelInterface, handler: PeerHandler) -> Acceptor:
    """Serve connections with a handler; what it raises is reported, and resets the connection."""

    async def serve(port: int, end: End) -> None:
        peer = Peer(kernel, port, end)
        try:
            answer = await answer_of(handler, peer)
            if answer is not None:
                await peer.write(answer)
        except Exception as error:  # of a handler of the test's own
            if not (isinstance(error, ConnectionError) and peer.gone):
                kernel.hooks.problems.crashed(peer, error)
            peer.break_off()
        finally:
            peer.close()

    return serve
