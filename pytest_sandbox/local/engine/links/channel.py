"""The engine's end of a socket to the zygote or to a sandbox, on the event loop."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING

from ... import wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ...wire import Message


class Channel:
    """Sends and receives messages without blocking.

    Args:
        sock: the engine's end; the channel owns it.
        on_message: called with each message and its descriptors, which it then owns.
        on_close: called once, when the peer is gone or does not keep to the protocol.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[Message, list[int]], None],
        on_close: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._on_message = on_message
        self._on_close = on_close
        self._queue: collections.deque[tuple[Message, tuple[int, ...]]] = collections.deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._receive)
        self._held: collections.deque[tuple[Message, tuple[int, ...]]] | None = None
        self.closed = False

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send now or as soon as there is room; `fds` are closed when they are sent."""
        if self._held is not None:
            self._held.append((message, fds))
        else:
            self.send_through(message, fds)

    def hold(self) -> None:
        """From now on, keep what is to be sent, but for what `send_through` is given."""
        if self._held is None:
            self._held = collections.deque()

    def send_through(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Like `send`, although the rest is held."""
        if self.closed:
            wire.close_all(list(fds))
        else:
            self._enqueue(message, fds)

    def release(self) -> None:
        """Send what was held."""
        held, self._held = self._held, None
        for message, fds in held or ():
            self.send(message, fds)

    def _enqueue(self, message: Message, fds: tuple[int, ...]) -> None:
        self._queue.append((message, fds))
        if len(self._queue) == 1:
            self._flush()

    def drain(self) -> None:
        """Handle all that has arrived; for a peer that is known to be dead."""
        while not self.closed and self._receive_one():
            pass

    def close(self) -> None:
        """Close the socket; the peer takes that as the order to exit."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for _, fds in (*self._queue, *(self._held or ())):
            wire.close_all(list(fds))
        self._queue.clear()
        self._held = None
        self._on_close()

    def _flush(self) -> None:
        while self._queue:
            message, fds = self._queue[0]
            try:
                wire.send_request(self._sock, message, fds)
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._flush)
                return
            except OSError:
                break  # the peer is gone; the reader will find out
            self._queue.popleft()
            wire.close_all(list(fds))
        if not self.closed:
            self._loop.remove_writer(self._sock)

    def _receive(self) -> None:
        # Several at once, but not without end: other sandboxes want their turn.
        for _ in range(16):
            if self.closed or not self._receive_one():
                return

    def _receive_one(self) -> bool:
        try:
            message, fds = wire.receive(self._sock)
        except BlockingIOError:
            return False
        except (OSError, wire.BadMessage):
            self.close()
            return False
        if message is None:
            self.close()
            return False
        try:
            self._on_message(message, fds)
        except wire.BadMessage:
            self.close()
        return not self.closed
