"""Connections as the handler of a port sees them."""

import inspect
from collections.abc import Awaitable, Callable, Mapping

from ..files.view import FileView
from ..processes.connection import End
from ..processes.ports import Acceptor
from ..processes.process import KernelInterface
from .byte_stream import ByteStream
from .http import Request, read_request, response


class Peer(ByteStream):
    """A connection as the handler of a port or of a host sees it, with the client at its other end.

    It is closed when the handler returns. A handler may return what is to be sent last, as text
    or bytes.

    Attributes:
        host: the name or address outside that was connected to; empty for a port of the sandbox.
        port: the port that was connected to.
        files: the files of the sandbox.
        received: all that came, if the script was made with `read=True`.
    """

    def __init__(self, kernel: KernelInterface, port: int, end: End, host: str = "") -> None:
        super().__init__(end)
        self._kernel = kernel
        self.host = host
        self.port = port
        self.files = FileView(kernel.fs)
        self.received = b""

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

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        await self._kernel.clock.sleep(seconds)

    def __str__(self) -> str:
        return f"{self.host} port {self.port}" if self.host else f"port {self.port}"


#: What a handler returns: what is to be sent last, if anything.
Answer = str | bytes | None
PeerHandler = Callable[[Peer], Answer | Awaitable[Answer]]


async def answer_of(handler: PeerHandler, peer: Peer) -> Answer:
    """Call a handler, plain or asynchronous."""
    answer = handler(peer)
    return await answer if inspect.isawaitable(answer) else answer


def acceptor(kernel: KernelInterface, handler: PeerHandler, host: str = "") -> Acceptor:
    """Serve connections with a handler; what it raises is reported, and resets the connection."""

    async def serve(port: int, end: End) -> None:
        peer = Peer(kernel, port, end, host)
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
