"""The socket to the engine, in a process that the engine started: the zygote, or a keeper."""

from __future__ import annotations

from . import sure, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from .message import Message
    from .wire import Family, Received


class EngineSocket:
    """Talks to the engine, and knows whether there still is one.

    Attributes:
        running: False once the engine is gone, or something has told the process to end.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.running = True

    def fileno(self) -> int:
        """Readable when the engine has said something, or is gone."""
        return self._sock.fileno()

    def stop(self) -> None:
        """End, as if the engine were gone."""
        self.running = False

    def receive(self, expected: Family) -> Received:
        """The engine's next message; blocks. See `wire.receive_request`."""
        received = wire.receive_request(self._sock, expected)
        if received[0] is None:
            self.stop()
        return received

    def tell(self, message: Message, fds: tuple[int, ...] = (), *, number: int = 0) -> None:
        """Send a message; `number` is that of the request that it answers, if it answers one."""
        try:
            sure.send(self._sock, message, fds, number=number)
        except ConnectionError:
            self.stop()
