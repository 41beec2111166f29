"""Pipes between processes; see pipe(7)."""

import errno
import os

from ..condition import Condition
from .description import Description

#: Bytes that a pipe holds; what pipe(7) gives as the default capacity.
PIPE_CAPACITY = 65536
#: Writes up to this size go into a pipe in one piece; `PIPE_BUF` of pipe(7).
PIPE_ATOMIC = 4096


class Pipe:
    """Bytes on their way from writers to readers, at most 64 KiB of them.

    A new pipe has no ends; `reader()` and `writer()` make them.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._changed = Condition()
        self._broken = False
        self.readers = 0
        self.writers = 0

    def reader(self) -> "PipeReader":
        """Add an end to read from."""
        self.readers += 1
        return PipeReader(self)

    def writer(self) -> "PipeWriter":
        """Add an end to write to."""
        self.writers += 1
        return PipeWriter(self)

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits for some, and is empty once there are no writers."""
        while not self._buffer and self.writers:
            await self._changed.wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._changed.notify_all()
        return data

    async def write(self, data: bytes) -> None:
        """Put in all of `data`, piece by piece as there is room.

        Raises:
            BrokenPipeError: there are no readers.
        """
        view = memoryview(data)
        needed = len(data) if len(data) <= PIPE_ATOMIC else 1
        while view:
            if self._broken or not self.readers:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            room = PIPE_CAPACITY - len(self._buffer)
            if room < needed:
                await self._changed.wait()
                continue
            self._buffer += view[:room]
            view = view[room:]
            self._changed.notify_all()

    @property
    def pending(self) -> bytes:
        """Bytes that were written and not read."""
        return bytes(self._buffer)

    def restore(self, pending: bytes) -> None:
        """Put in bytes that a snapshot found in the pipe, whatever its capacity."""
        self._buffer += pending

    def end_closed(self) -> None:
        """Wake readers and writers after an end was closed."""
        self._changed.notify_all()

    def break_(self) -> None:
        """Fail all further writes, though there may be readers left."""
        self._broken = True
        self._changed.notify_all()


class PipeReader(Description):
    """The end of a pipe to read from."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits for some, and is empty once there are no writers."""
        return await self._pipe.read(size)

    def close(self) -> None:
        """Close; writers get `EPIPE` if this was the last reader."""
        self._pipe.readers -= 1
        self._pipe.end_closed()


class PipeWriter(Description):
    """The end of a pipe to write to."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    async def write(self, data: bytes) -> None:
        """Put in all of `data`; waits for room."""
        await self._pipe.write(data)

    def close(self) -> None:
        """Close; readers get the end of the file if this was the last writer."""
        self._pipe.writers -= 1
        self._pipe.end_closed()
