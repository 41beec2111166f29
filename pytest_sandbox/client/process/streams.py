"""Standard streams: read what comes, write what goes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..exceptions import InvalidError
from ..transport.dual import dual
from ..transport.portal import arrival, portal
from .decoding import Chunks
from .stream_type import StreamType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from typing_extensions import Self

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)

#: Bytes that a `StreamWriter` takes before it wants to be drained, Modal's limit.
MAX_BUFFER_SIZE = 2 * 1024 * 1024


class StreamReader(Generic[T]):
    """Reads what a command or a sandbox writes to one of its streams.

    It is an iterator, for `for` and for `async for`: over chunks as they come, or over lines.
    Text is decoded as UTF-8. Nothing is fetched before it is asked for, and no more than a few
    MiB ahead: a program whose output nobody reads will wait, as with a pipe.

    Args:
        source: opens the stream of bytes.
        file_descriptor: 1 for standard output, 2 for standard error.
        text: give `str`, not `bytes`.
        by_line: give whole lines, not chunks.
        stream_type: where the output goes; it can be read from a `PIPE` only.
    """

    def __init__(
        self,
        source: Callable[[], AsyncGenerator[bytes, None]],
        file_descriptor: int,
        *,
        text: bool,
        by_line: bool,
        stream_type: StreamType = StreamType.PIPE,
    ) -> None:
        if by_line and not text:
            raise ValueError("lines are given as text only: bufsize=1 needs text=True")
        self._open = source
        self._source: AsyncGenerator[bytes, None] | None = None
        self._file_descriptor = file_descriptor
        self._stream_type = stream_type
        self._text = text
        self._chunks: Chunks[T] = Chunks(text=text, by_line=by_line)
        self._ready: deque[T] = deque()
        self._ended = False
        self._reading = asyncio.Lock()

    @property
    def file_descriptor(self) -> int:
        """1 for standard output, 2 for standard error."""
        return self._file_descriptor

    @dual
    async def read(self) -> T:
        """All that has not been read yet, up to the end of the stream.

        Raises:
            UnicodeDecodeError: it is not UTF-8, and was asked for as text.
            DataLossError: it was read before, and has made room for newer output.
            ValueError, InvalidError: the stream goes to `DEVNULL`, or is printed.
        """
        self._check_pipe()
        parts: list[T] = []
        while await self._fill():
            parts += self._ready
            self._ready.clear()
        return cast("T", ("" if self._text else b"").join(parts))  # type: ignore[arg-type]

    def __iter__(self) -> Self:
        self._check_pipe()
        return self

    def __next__(self) -> T:
        self._check_pipe()
        with contextlib.suppress(IndexError):  # no trip to the loop for what is here already
            return self._ready.popleft()
        if (item := portal().run(self._take())) is None:
            raise StopIteration
        return item

    def __aiter__(self) -> Self:
        self._check_pipe()
        return self

    async def __anext__(self) -> T:
        self._check_pipe()
        with contextlib.suppress(IndexError):
            return self._ready.popleft()
        if (item := await arrival(portal().submit(self._take()))) is None:
            raise StopAsyncIteration
        return item

    @dual
    async def aclose(self) -> None:
        """Stop reading, and let the connection go."""
        self._ended = True
        if self._source is not None:
            await self._source.aclose()

    async def _fill(self) -> bool:
        """Wait until there is something to give; tell whether there ever will be."""
        async with self._reading:
            while not self._ready and not self._ended:
                if self._source is None:
                    self._source = self._open()
                chunk = await anext(self._source, None)
                self._ended = chunk is None
                self._ready += self._chunks.end() if chunk is None else self._chunks.feed(chunk)
            return bool(self._ready)

    async def _take(self) -> T | None:
        """The next item, or `None` at the end."""
        while await self._fill():
            with contextlib.suppress(IndexError):  # another thread was faster
                return self._ready.popleft()
        return None

    def _check_pipe(self) -> None:
        name = "stdout" if self._file_descriptor == 1 else "stderr"
        if self._stream_type is StreamType.DEVNULL:
            raise ValueError(f"{name} goes to DEVNULL, so it cannot be read; use {name}=PIPE")
        if self._stream_type is StreamType.STDOUT:
            raise InvalidError(f"{name}=STDOUT is not kept, so it cannot be read; use PIPE")

    async def _print(self) -> None:
        """Copy to this process' standard output, whatever that is just now."""
        while (item := await self._take()) is not None:
            if isinstance(item, str):
                sys.stdout.write(item)
            else:
                sys.stdout.buffer.write(item)
            sys.stdout.flush()


class StreamWriter:
    """Writes to the standard input of a command or a sandbox.

    Args:
        sink: sends bytes, and whether they are the last.
    """

    def __init__(self, sink: Callable[[bytes, bool], Awaitable[None]]) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._closed = False

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
            raise TypeError(f"write() takes bytes or str, not {data!r}, a {type(data).__name__}")
        data = bytes(data)
        if len(self._buffer) + len(data) > MAX_BUFFER_SIZE:
            raise BufferError(
                f"{len(data)} more bytes would make {len(self._buffer) + len(data)}, and at most "
                f"{MAX_BUFFER_SIZE} wait to be sent: call drain() between writes"
            )
        self._buffer += data

    def write_eof(self) -> None:
        """Have the next `drain` close the input, behind all that was written."""
        self._closed = True

    @dual
    async def drain(self) -> None:
        """Send what was written; returns when the program has taken it, or its pipe has.

        What could not be sent is kept, and sent by the next `drain`.

        Raises:
            StdinClosedError: nobody reads it: the program has ended, or closed its input.
        """
        data = bytes(self._buffer)
        if data or self._closed:
            await self._sink(data, self._closed)
            del self._buffer[: len(data)]
