"""The memory that answers take until a client has read them.

What a client does not read waits here: for its window (RFC 9113, section 5.2), or for room in its
socket. So a handler makes a large answer only when the window is open, and of a size that depends
on how much waits already. No call waits for another one: however much waits, each can send answers
of the smallest size.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from grpclib import GRPCError, Status
from grpclib.protocol import Connection, Stream

from pytest_sandbox._http2 import JoinedWrites

log = logging.getLogger("pytest_sandbox.server")

#: Bytes of a part of a stream of responses: waits for the client's window, and says how many of
#: those asked for the next one may have.
Room = Callable[[int], Awaitable[int]]

#: Bytes of parts that wait to be sent on a connection, when those of further ones get smaller.
PARTS = 32 * 2**20
#: The part of what is left of that which one call gets.
_SHARE = 8
#: Bytes of a part that each call gets, whatever waits.
SMALLEST = 16 * 1024
#: Bytes of all that waits to be sent on a connection, from which on further large answers are
#: refused that have no parts: more than a client gets to wait for that reads, such as 64 calls of
#: `VolumeGetFile`, with 4 MiB each.
LARGEST_ANSWERS = 320 * 2**20
#: Bytes that a call may send before others have their turn: one frame, or as many as fit.
_TURN = 64 * 1024
_FRAME = 2**20
#: Bytes that a socket does not take, from which on its connection is ended. Answers wait elsewhere,
#: so these answer frames that ask for an answer each, such as PING.
MOST_UNREAD = 4 * 2**20


class AnsweringConnection(Connection):
    """A connection that counts the bytes of its answers.

    Attributes:
        unsent: bytes of answers that are made, or being made, and not sent.
        writing: held by the call that writes: they take turns.
    """

    unsent = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.writing = asyncio.Lock()

    def flush(self) -> None:
        """Write what the protocol has to say; a client that reads nothing of it is given up."""
        data = self._connection.data_to_send()
        if not data:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MOST_UNREAD:
            log.warning("a connection was ended: its client reads nothing of what it asks for")
            self._transport.abort()


class AnsweringStream(Stream):
    """A stream whose answers are counted."""

    connection: AnsweringConnection
    unsent = 0
    _in_parts = False

    async def room(self, most: int) -> int:
        """Wait until the client takes more; how many bytes the next part may have.

        Args:
            most: bytes that there would be.
        """
        self._in_parts = True
        await self._window()
        left = PARTS - self.connection.unsent + self.unsent
        size = min(most, max(SMALLEST, left // _SHARE))
        self._hold(size)
        return size

    async def send_headers(self, headers: list[tuple[str, str]], end_stream: bool = False) -> None:
        """Send headers, when it is this call's turn."""
        if self._has_turn and self.id in self._h2_connection.streams:
            self._h2_connection.send_headers(self.id, headers, end_stream=end_stream)
            self._transport.write(self._h2_connection.data_to_send())
            if end_stream:
                self.write_if_due()
            self.connection.headers_send_process()
            return
        async with self.connection.writing:
            await super().send_headers(headers, end_stream)

    def write_if_due(self) -> None:
        """Write what waits, as this call says no more for now; see `JoinedWrites`."""
        if isinstance(self._transport, JoinedWrites):
            self._transport.write_if_due()

    async def send_data(self, data: bytes, end_stream: bool = False) -> None:
        """Send a message, as the client takes it.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED: too much is waiting already.
        """
        if len(data) <= SMALLEST and self._has_turn and len(data) <= self._takes:
            self._send_some(data, 0, end_stream)
            self._hold(0)
            return
        others = self.connection.unsent - self.unsent
        if not self._in_parts and len(data) > SMALLEST and others + len(data) > LARGEST_ANSWERS:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"the answers on this connection would take {others + len(data)} bytes, more than "
                f"{LARGEST_ANSWERS}, the limit: read those before",
            )
        self._hold(len(data))
        try:
            sent = 0
            while sent < len(data):
                await self._window()
                async with self.connection.writing:
                    await self.connection.write_ready.wait()
                    sent += self._send_some(data, sent, end_stream)
        finally:
            self._hold(0)

    @property
    def _has_turn(self) -> bool:
        """Whether it need not wait for others, nor for the socket."""
        return not self.connection.writing.locked() and self.connection.write_ready.is_set()

    @property
    def _takes(self) -> int:
        """Bytes that the client takes now."""
        assert self.id is not None
        return self._h2_connection.local_flow_control_window(self.id)

    def forget(self) -> None:
        """Count nothing of it any more: the call has ended."""
        self._hold(0)

    def _send_some(self, data: bytes, start: int, end_stream: bool) -> int:
        """Send what one turn may; the bytes that it was, none if the window is closed."""
        assert self.id is not None
        h2 = self._h2_connection
        most = min(h2.local_flow_control_window(self.id), len(data) - start)
        frame = min(h2.max_outbound_frame_size, _FRAME)
        sent = 0
        while sent < most and (sent == 0 or sent + frame <= _TURN):
            part = data[start + sent : start + min(sent + frame, most)]
            sent += len(part)
            h2.send_data(self.id, part, end_stream=end_stream and start + sent == len(data))
        if sent:
            self._transport.write(h2.data_to_send())
            self.data_sent += sent
            self.connection.data_sent += sent
            self.connection.data_send_process()
        return sent

    async def _window(self) -> None:
        while self._takes <= 0:
            self.window_updated.clear()
            await self.window_updated.wait()

    def _hold(self, size: int) -> None:
        self.connection.unsent += size - self.unsent
        self.unsent = size
