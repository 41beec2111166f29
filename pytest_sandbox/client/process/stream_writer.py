"""Writing to standard input."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._shared.pickling import Unpicklable
from pytest_sandbox._shared.type_names import type_name

from ..transport.dual import dual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Bytes that a `StreamWriter` takes before it wants to be drained, Modal's limit.
MAX_BUFFER_SIZE = 2 * 1024 * 1024


class StreamWriter(Unpicklable):
    """Writes to the standard input of a command or a sandbox.

    Any number of tasks may call `drain` at the same time: each byte is sent once, in the order
    of the calls of `write`, and the end last.

    Args:
        sink: sends bytes, and whether they are the last. The server knows what it took already, so
            the same piece may be sent again when it is not known whether it arrived.
    """

    instead = "write here, or pass the sandbox and call exec() there"

    def __init__(self, sink: Callable[[bytes, bool], Awaitable[None]]) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._closed = False
        self._ended = False
        # Of a drain that failed or was cancelled. It is sent again as it was: the control plane
        # recognises a message by its number, and would drop what a longer one brings on top.
        self._unconfirmed: tuple[bytes, bool] | None = None
        self._sending = asyncio.Lock()

    def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """Take data, to be sent by `drain`.

        Args:
            data: bytes, or text that is sent as UTF-8.

        Raises:
            ValueError: after `write_eof`.
            BufferError: more than `MAX_BUFFER_SIZE` bytes are waiting; drain first.
            TypeError: it is neither bytes nor text.
        """
        if self._closed:
            raise ValueError("write() after write_eof(): the input is closed")
        if isinstance(data, str):
            data = data.encode()
        elif not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"write() takes bytes or str, not {data!r}, {type_name(data)}")
        data = bytes(data)
        unconfirmed = self._unconfirmed
        size = len(data) + len(self._buffer) + (len(unconfirmed[0]) if unconfirmed else 0)
        if size > MAX_BUFFER_SIZE:
            raise BufferError(
                f"{len(data)} more bytes would make {size}, and at most {MAX_BUFFER_SIZE} wait to "
                "be sent: call drain() between writes"
            )
        self._buffer += data

    def write_eof(self) -> None:
        """Have the next `drain` close the input, behind all that was written."""
        self._closed = True

    @dual
    async def drain(self) -> None:
        """Send what was written; returns when the program has taken it, or its pipe has.

        What was not sent, because of an error or because this was cancelled, is sent by the next
        `drain`.

        Raises:
            StdinClosedError: the program has ended, or has closed its input.
        """
        async with self._sending:
            while (piece := self._next_piece()) is not None:
                await self._sink(*piece)
                self._unconfirmed = None
                self._ended = piece[1]

    def _next_piece(self) -> tuple[bytes, bool] | None:
        if self._unconfirmed is None:
            # In this order: another thread may write, and then end, between these lines.
            eof = self._closed
            data = bytes(self._buffer)
            if data or (eof and not self._ended):
                self._unconfirmed = data, eof
                del self._buffer[: len(data)]
        return self._unconfirmed
