"""The engine's end of a socket to the zygote or to a sandbox, on the event loop."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING

from ..protocol import foreign, wire
from ..protocol.common import Failed
from ..protocol.message import BadMessage, DescriptorsLost

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..protocol.message import Message
    from ..protocol.wire import Family

#: Seconds until sending is tried again where the event loop cannot watch the socket.
_RETRY = 0.01


class Channel:
    """Sends and receives messages without blocking.

    Args:
        sock: the engine's end; the channel owns it.
        expected: messages that may come.
        on_message: called with each message, its number and its descriptors, which it then owns.
        on_close: called once, when the peer is gone or does not keep to the protocol; with what was
            wrong then, else with nothing.

    Raises:
        OSError: the event loop cannot watch one more descriptor; the socket is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        expected: Family,
        on_message: Callable[[Message, int, list[int]], None],
        on_close: Callable[[str], None],
    ) -> None:
        self._sock = sock
        self._expected = expected
        self._on_message = on_message
        self._on_close = on_close
        self._queue: collections.deque[tuple[Message, int, tuple[int, ...]]] = collections.deque()
        self._held: collections.deque[tuple[Message, int, tuple[int, ...]]] | None = None
        self._loop = asyncio.get_running_loop()
        self._fd = sock.fileno()
        self._waits_for_room = False  # whether the event loop watches for room to send
        self.closed = False
        try:
            sock.setblocking(False)
            self._loop.add_reader(self._fd, self._receive)
        except OSError:
            sock.close()
            raise

    def send(self, message: Message, fds: tuple[int, ...] = (), *, number: int = 0) -> None:
        """Send now or as soon as there is room; `fds` are closed when they are sent."""
        if self._held is not None:
            self._held.append((message, number, fds))
        else:
            self.send_through(message, fds, number=number)

    def hold(self) -> None:
        """From now on, keep what is to be sent, but for what `send_through` is given."""
        if self._held is None:
            self._held = collections.deque()

    def send_through(self, message: Message, fds: tuple[int, ...] = (), *, number: int = 0) -> None:
        """Like `send`, although the rest is held."""
        if self.closed:
            wire.close_all(list(fds))
            return
        self._queue.append((message, number, fds))
        if len(self._queue) == 1:
            self._flush()

    def release(self) -> None:
        """Send what was held."""
        held, self._held = self._held, None
        for message, number, fds in held or ():
            self.send(message, fds, number=number)

    def drain(self) -> None:
        """Handle all that has arrived; for a peer that is known to be dead."""
        while not self.closed and self._receive_one():
            pass

    def close(self, broken: str = "") -> None:
        """Close the socket; the peer takes that as the order to exit.

        Args:
            broken: how the peer broke the protocol, if it did.
        """
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._fd)
        self._stop_waiting()
        foreign.close_unix_socket(self._sock)
        for _, _, fds in (*self._queue, *(self._held or ())):
            wire.close_all(list(fds))
        self._queue.clear()
        self._held = None
        self._on_close(broken)

    def _flush(self) -> None:
        while self._queue:
            message, number, fds = self._queue[0]
            try:
                wire.send_request(self._sock, message, fds, number=number)
            except BlockingIOError:
                self._flush_later()
                return
            except ConnectionError:
                break  # the peer is gone; the reader will find out
            except OSError:
                # Of what the kernel has for our user, others use all: memory, or ETOOMANYREFS for
                # descriptors that are sent and not received, unix(7).
                self._loop.call_later(_RETRY, self._flush)
                return
            self._queue.popleft()
            wire.close_all(list(fds))
        self._stop_waiting()

    def _flush_later(self) -> None:
        try:
            self._loop.add_writer(self._fd, self._flush)
        except OSError:
            # epoll_ctl(2) takes memory too. What is queued cannot be taken back, so keep trying.
            self._loop.call_later(_RETRY, self._flush)
        else:
            self._waits_for_room = True

    def _stop_waiting(self) -> None:
        # Only if there is something to remove: asyncio finds that out by an error, with a text that
        # shows the socket, which takes longer than to send a message.
        if self._waits_for_room:
            self._waits_for_room = False
            self._loop.remove_writer(self._fd)

    def _receive(self) -> None:
        # One: poll(2) is level-triggered, so more comes in the next turn, and other sandboxes have
        # theirs in between. To ask for more in vain takes longer than such a turn.
        self._receive_one()

    def _receive_one(self) -> bool:
        """Handle a message; whether there may be another one."""
        try:
            message, number, fds = wire.receive(self._sock, self._expected, foreign.close)
        except BlockingIOError:
            return False
        except DescriptorsLost as lost:  # not the peer's fault
            message, number, fds = Failed.of(lost), lost.number, []
        except BadMessage as error:
            self.close(str(error))
            return False
        except OSError:
            self.close()
            return False
        if message is None:
            self.close()
            return False
        try:
            self._on_message(message, number, fds)
        except BadMessage as error:
            self.close(str(error))
        return not self.closed
