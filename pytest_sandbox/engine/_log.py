"""The output of a process: append-only, replayable, bounded."""

import asyncio
from collections.abc import AsyncIterator, Callable

from pytest_sandbox._shared.kept_errors import to_raise

from ._errors import EngineError, OutputDropped, StoreFull
from ._ring import Ring

#: Bytes of one stream that are held before its writer is made to wait.
CAPACITY = 64 * 1024 * 1024
#: Bytes held in memory; beyond that a stream moves to an unlinked temporary file.
IN_MEMORY = 256 * 1024
#: Bytes that a reader gets at a time unless it asks otherwise.
CHUNK = 1024 * 1024


class OutputLog:
    """What a process wrote to one stream.

    Any number of readers can read it, from any offset that is still held. It holds up to
    `capacity` bytes. When it is full, bytes that a reader has had are dropped to make room; if no
    reader has had them, `append` waits, and so does the program, because its pipe is full. Memory
    stays bounded whatever the program writes: a long output is in a temporary file that has no
    name, used as a ring.

    When the disk has no room for that file, the log ends there: readers get what it holds and
    then `StoreFull`, so that they do not take a part for the whole; the program continues.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._first = 0  # offset of the oldest byte held
        self._end = 0  # offset just past the newest byte
        self._had = 0  # the furthest offset that a reader has had
        self._closed = False
        self._failure: EngineError | None = None
        self._memory = bytearray()  # all bytes from `_first` on, until there is a ring
        self._ring: Ring | None = None
        self._changed: set[asyncio.Future[None]] = set()
        self._watchers: list[Callable[[], None]] = []
        #: Called when bytes were added.
        self.on_growth: Callable[[], None] | None = None

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

    @property
    def had(self) -> int:
        """The furthest offset that a reader has had."""
        return self._had

    @property
    def failure(self) -> EngineError | None:
        """Why it ended too early: what readers find at its end; `None` if it did not."""
        return self._failure

    @property
    def incomplete(self) -> bool:
        """Whether it ended too early, so that readers find an error."""
        return self._failure is not None

    async def append(self, data: bytes | memoryview) -> None:
        """Add bytes; waits while the log is full of unread ones. Ignored once closed."""
        while rest := self.add(data):
            await self._change()
            data = rest

    def add(self, data: bytes | memoryview) -> bytes | memoryview:
        """Add the bytes for which there is room now; the rest. Once closed, there is no rest."""
        view = memoryview(data)
        while view and not self._closed:
            room = self._capacity - (self._end - max(self._first, self._had))
            if room == 0:
                return view
            self._store(view[:room])
            view = view[room:]
        return b""

    def close(self) -> None:
        """End the stream: readers see its end, and `append` stops waiting."""
        self._closed = True
        self.on_growth = None  # there will be none
        self._wake()

    def fail(self, failure: EngineError) -> None:
        """End the stream too early: readers get what it holds, and then an error.

        Does nothing once it is closed.
        """
        if not self._closed:
            self._failure = failure
            self.close()

    def dispose(self) -> None:
        """Close it and drop all that it holds."""
        self.close()
        self._first = self._end
        self._memory = bytearray()
        if self._ring is not None:
            self._ring.close()

    async def read(self, offset: int, limit: int = CHUNK) -> bytes:
        """Up to `limit` bytes at `offset`; waits for some, and is empty only at the end.

        Raises:
            OutputDropped: those bytes were read before, and dropped to make room for newer ones.
            StoreFull: the disk had no room for those bytes.
            EngineError: as `fail` was given it.
        """
        if not await self.ready(offset):
            return b""
        data = self._load(offset, min(limit, self._end - offset))
        self.taken(offset + len(data))
        return data

    async def ready(self, offset: int) -> bool:
        """Wait until `read` would return at once; whether there are bytes, and not the end.

        Raises:
            OutputDropped, EngineError: as `read`.
        """
        while True:
            if offset < self._first:
                raise OutputDropped(offset, self._first)
            if offset < self._end:
                return True
            if self._failure is not None:
                raise to_raise(self._failure)
            if self._closed:
                return False
            await self._change()

    async def follow(self, offset: int = 0, limit: int = CHUNK) -> AsyncIterator[bytes]:
        """All bytes from `offset` to the end, in chunks as they come."""
        while data := await self.read(offset, limit):
            yield data
            offset += len(data)

    def tail(self, size: int) -> bytes:
        """The newest bytes, at most `size`, without counting as a reader."""
        start = max(self._first, self._end - size)
        return self._load(start, self._end - start)

    def peek(self, offset: int, limit: int = CHUNK) -> bytes:
        """Up to `limit` bytes at `offset` that are held, without counting as a reader."""
        if not self._first <= offset < self._end:
            return b""
        return self._load(offset, min(limit, self._end - offset))

    def taken(self, offset: int) -> None:
        """Say that a reader has had what it got by `peek`, up to an offset."""
        if offset > self._had:
            self._had = offset
            self._wake()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have a function called when there is more, or the end; the result undoes that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

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
        for changed in self._watchers:
            changed()

    def _store(self, view: memoryview) -> None:
        """Hold bytes for which there is room, at the cost of the oldest ones."""
        # Bytes that are overwritten are lost even if the write fails halfway.
        self._first = max(self._first, self._end + len(view) - self._capacity)
        try:
            self._write(view)
        except OSError as error:
            self._no_room(error)
        else:
            self._end += len(view)
            if self.on_growth is not None:
                self.on_growth()
            self._wake()

    def _write(self, view: memoryview) -> None:
        if self._ring is None:
            held = self._end - len(self._memory)
            del self._memory[: self._first - held]
            if len(self._memory) + len(view) <= IN_MEMORY:
                self._memory += view
                return
            ring = Ring(self._capacity)
            ring.write(self._first, memoryview(self._memory))
            self._ring, self._memory = ring, bytearray()
        self._ring.write(self._end, view)

    def _no_room(self, error: OSError) -> None:
        self.fail(
            StoreFull(
                f"output from byte {self._end} on is lost: cannot write to the directory for"
                f" temporary files: {error}"
            )
        )

    def _load(self, offset: int, size: int) -> bytes:
        if self._ring is not None:
            return self._ring.read(offset, size) if size else b""
        start = offset - (self._end - len(self._memory))
        return bytes(self._memory[start : start + size])
