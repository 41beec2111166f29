"""The output of a process: append-only, replayable, bounded."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

from ._errors import OutputDropped

#: Bytes of one stream that are held before its writer is made to wait.
CAPACITY = 64 * 1024 * 1024
#: Bytes held in memory; beyond that a stream moves to an unlinked temporary file.
IN_MEMORY = 256 * 1024


class OutputLog:
    """What a process wrote to one stream.

    Any number of readers can read it, from any offset that is still held. It holds up to
    `capacity` bytes. When it is full, bytes that some reader has had make room first; if
    nobody has read them, `append` waits, and so, through its pipe, does the program. Memory
    stays bounded whatever the program writes: a long output lives in a temporary file that
    has no name, used as a ring.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._first = 0  # offset of the oldest byte held
        self._end = 0  # offset just past the newest byte
        self._had = 0  # the furthest offset that a reader has had
        self._closed = False
        self._memory: bytearray | None = bytearray()
        self._file: IO[bytes] | None = None
        self._changed: set[asyncio.Future[None]] = set()

    @property
    def capacity(self) -> int:
        """How many unread bytes it holds before `append` waits."""
        return self._capacity

    @property
    def first(self) -> int:
        """Offset of the oldest byte still held."""
        return self._first

    @property
    def end(self) -> int:
        """Offset just past the newest byte."""
        return self._end

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    @property
    def full(self) -> bool:
        """Whether there is no room, so that the writer waits for a reader."""
        return self._end - max(self._first, self._had) >= self._capacity

    async def append(self, data: bytes) -> None:
        """Add bytes; waits while the log is full of unread ones. Ignored once closed."""
        view = memoryview(data)
        while view and not self._closed:
            room = self._capacity - (self._end - max(self._first, self._had))
            if room == 0:
                await self._change()
                continue
            self._store(view[:room])
            view = view[room:]

    def close(self) -> None:
        """Nothing more will come; readers see the end, a waiting writer is let go."""
        if not self._closed:
            self._closed = True
            self._wake()

    async def read(self, offset: int, limit: int = 1024 * 1024) -> bytes:
        """Up to `limit` bytes at `offset`; waits for some, and is empty only at the end.

        Raises:
            OutputDropped: those bytes were read before and have made room for newer ones.
        """
        while True:
            if offset < self._first:
                raise OutputDropped(offset, self._first)
            if offset < self._end:
                data = self._load(offset, min(limit, self._end - offset))
                if offset + len(data) > self._had:
                    self._had = offset + len(data)
                    self._wake()
                return data
            if self._closed:
                return b""
            await self._change()

    async def follow(self, offset: int = 0, limit: int = 1024 * 1024) -> AsyncIterator[bytes]:
        """All bytes from `offset` to the end, in chunks as they come."""
        while data := await self.read(offset, limit):
            yield data
            offset += len(data)

    def tail(self, size: int) -> bytes:
        """The newest bytes, at most `size`, without counting as a reader."""
        start = max(self._first, self._end - size)
        return self._load(start, self._end - start)

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.add(waiter)
        try:
            await waiter
        finally:
            self._changed.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._changed:
            if not waiter.done():
                waiter.set_result(None)

    def _store(self, view: memoryview) -> None:
        self._end += len(view)
        self._first = max(self._first, self._end - self._capacity)
        if self._memory is not None:
            self._memory += view
            if len(self._memory) > IN_MEMORY:
                self._spill()
        else:
            self._write_ring(self._end - len(view), view)
        self._wake()

    def _spill(self) -> None:
        assert self._memory is not None
        held, self._memory = bytes(self._memory), None
        self._file = tempfile.TemporaryFile(buffering=0)
        self._write_ring(self._end - len(held), memoryview(held))

    def _write_ring(self, offset: int, view: memoryview) -> None:
        assert self._file is not None
        while view:
            position = offset % self._capacity
            self._file.seek(position)
            written = self._file.write(view[: self._capacity - position])
            offset, view = offset + written, view[written:]

    def _load(self, offset: int, size: int) -> bytes:
        if self._memory is not None:
            start = offset - (self._end - len(self._memory))
            return bytes(self._memory[start : start + size])
        assert self._file is not None
        parts: list[bytes] = []
        while size:
            position = offset % self._capacity
            self._file.seek(position)
            part = self._file.read(min(size, self._capacity - position))
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)
