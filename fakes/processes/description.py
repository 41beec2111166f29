"""Open file descriptions: what the descriptors of processes point to and share."""

import errno
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_sandbox.engine import OutputLog

from ..condition import Bell
from ..files.handle import Handle
from ..files.inode import Device

if TYPE_CHECKING:
    from .terminal import Terminal

PIPE_CAPACITY = 65536
#: Writes up to this size go into a pipe in one piece; `PIPE_BUF` of pipe(7).
PIPE_ATOMIC = 4096


class Description(ABC):
    """Something to read from or write to, until the last descriptor of it is closed."""

    #: The terminal it leads to, if it does.
    terminal: "Terminal | None" = None

    def __init__(self) -> None:
        self._references = 1

    def share(self) -> "Description":
        """One more descriptor points here."""
        self._references += 1
        return self

    def release(self) -> None:
        """One descriptor fewer points here."""
        self._references -= 1
        if self._references == 0:
            self.close()

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits for some, and is empty only at the end."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    async def write(self, data: bytes) -> None:
        """Write all of it; waits for room.

        Raises:
            BrokenPipeError: nobody is left to read it.
        """
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    @abstractmethod
    def close(self) -> None:
        """The last descriptor is gone."""


class OpenedFile(Description):
    """A file or a device of the filesystem, with a position."""

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self.handle = handle
        self.position = 0

    async def read(self, size: int) -> bytes:
        """Bytes at the position, which moves."""
        data = self.handle.pread(self.position, size)
        self.position += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Bytes at the position, which moves."""
        self.handle.pwrite(self.position, data)
        self.position = self.handle.inode.size if self.handle.append else self.position + len(data)

    @property
    def endless(self) -> bool:
        """Whether reading never comes to an end."""
        inode = self.handle.inode
        return isinstance(inode, Device) and inode.device != "null"

    def close(self) -> None:
        """Let go of the file."""
        self.handle.close()


class Logged(Description):
    """An output stream that the caller of the sandbox reads."""

    def __init__(self, log: OutputLog) -> None:
        super().__init__()
        self._log = log

    async def write(self, data: bytes) -> None:
        """Append to the log; waits while it is full."""
        if self._log.closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        await self._log.append(data)

    def close(self) -> None:
        """The program closed it; the log stays open until the program ends."""


class Document(Description):
    """Bytes to read, once."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    async def read(self, size: int) -> bytes:
        """The next bytes."""
        data, self.data = self.data[:size], self.data[size:]
        return data

    def close(self) -> None:
        """There is nothing to let go."""


class Pipe:
    """Bytes on their way from writers to readers, at most 64 KiB of them.

    A fresh pipe has no ends; `reader()` and `writer()` make them.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._bell = Bell()
        self._broken = False
        self.readers = 0
        self.writers = 0

    def reader(self) -> "PipeReader":
        """A further end to read from."""
        self.readers += 1
        return PipeReader(self)

    def writer(self) -> "PipeWriter":
        """A further end to write to."""
        self.writers += 1
        return PipeWriter(self)

    async def read(self, size: int) -> bytes:
        """What there is, at most `size`; the end when there are no writers."""
        while not self._buffer and self.writers:
            await self._bell.wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._bell.ring()
        return data

    async def write(self, data: bytes) -> None:
        """Put in all of it, piece by piece as there is room."""
        view = memoryview(data)
        needed = len(data) if len(data) <= PIPE_ATOMIC else 1
        while view:
            if self._broken or not self.readers:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            room = PIPE_CAPACITY - len(self._buffer)
            if room < needed:
                await self._bell.wait()
                continue
            self._buffer += view[:room]
            view = view[room:]
            self._bell.ring()

    @property
    def pending(self) -> bytes:
        """What is on its way."""
        return bytes(self._buffer)

    def hand_over(self, data: bytes) -> None:
        """Have something on its way from the beginning."""
        self._buffer += data

    def lost(self) -> None:
        """An end was closed."""
        self._bell.ring()

    def break_(self) -> None:
        """Nobody will read any more, whoever still could."""
        self._broken = True
        self._bell.ring()


class PipeReader(Description):
    """The end of a pipe that bytes come out of."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    async def read(self, size: int) -> bytes:
        """What there is."""
        return await self._pipe.read(size)

    def close(self) -> None:
        """Writers see a broken pipe if this was the last reader."""
        self._pipe.readers -= 1
        self._pipe.lost()


class PipeWriter(Description):
    """The end of a pipe that bytes go into."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    async def write(self, data: bytes) -> None:
        """Put in all of it."""
        await self._pipe.write(data)

    def close(self) -> None:
        """Readers see the end if this was the last writer."""
        self._pipe.writers -= 1
        self._pipe.lost()
