"""Between the loop and a thread that reads or writes a file object, piece by piece.

Neither side runs ahead of the other by more than one piece.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.async_tasks import background

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
    from typing import Any

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: Bytes that are handed over at a time.
PIECE = 1024 * 1024


class _Bridge:
    """What both directions share: calls of the thread to the loop, until that gives up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pending: concurrent.futures.Future[Any] | None = None
        self._broken = False

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, from the thread."""
        if self._broken:
            coroutine.close()
            raise BrokenPipeError("the transfer was cancelled")
        pending = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._pending = pending
        if self._broken:  # meanwhile
            pending.cancel()
        return pending.result()

    def break_off(self) -> None:
        """Make the thread's current or next call fail."""
        self._broken = True
        if self._pending is not None:
            self._pending.cancel()


class Source(_Bridge):
    """A stream of the loop as a file that a thread reads."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end."""
        parts: list[memoryview] = []
        while size:
            if not self._rest:
                self._rest = memoryview(self._call(_next(self._chunks)))
            if not self._rest:
                break
            parts.append(self._rest[:size])
            size -= len(parts[-1])
            self._rest = self._rest[len(parts[-1]) :]
        return b"".join(parts)


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks, b"")


class Sink(_Bridge):
    """A file that a thread writes as a stream of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        """Take data; blocks until the loop has taken the piece before."""
        self._buffer += data
        if len(self._buffer) >= PIECE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand over the buffered data."""
        data = bytes(self._buffer)
        self._buffer.clear()
        if data:
            self._call(self._queue.put(data))

    def end(self) -> None:
        """Hand over the buffered data, and the end."""
        self.flush()
        self._call(self._queue.put(b""))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What the thread writes."""
        while data := await self._queue.get():
            yield data


async def written(write: Callable[[Sink], None]) -> AsyncGenerator[bytes, None]:
    """The stream that a function writes, in a thread, to the file that it is given."""
    sink = Sink()

    def work() -> None:
        try:
            write(sink)
        finally:
            sink.end()  # an error ends the stream too, and is raised below

    thread = background(asyncio.to_thread(work))
    try:
        async for chunk in sink.chunks():
            yield chunk
        await thread
    finally:
        sink.break_off()
        await _settled(thread)


async def read_by(chunks: AsyncIterator[bytes], read: Callable[[Source], T]) -> T:
    """The result of a function that reads, in a thread, a stream as a file.

    The rest of the stream is read and dropped, so that its sender can finish.
    """
    source = Source(chunks)
    thread = background(asyncio.to_thread(read, source))
    try:
        result = await asyncio.shield(thread)
        async for _ in chunks:
            pass
        return result
    finally:
        source.break_off()
        await _settled(thread)


async def _settled(thread: asyncio.Future[Any]) -> None:
    """Wait until a thread that was told to end has ended; its error is dropped."""
    with contextlib.suppress(Exception):
        await asyncio.shield(thread)
