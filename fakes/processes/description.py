"""Open file descriptions: what descriptors point to, and processes share; see open(2)."""

import errno
import os
from abc import ABC, abstractmethod

from pytest_sandbox.engine import OutputLog

from ..files.handle import Handle
from .terminal import Terminal


class Description(ABC):
    """Something to read from or write to, open until its last descriptor is closed."""

    #: The terminal that it leads to, if it does.
    terminal: Terminal | None = None

    def __init__(self) -> None:
        self._references = 1

    def share(self) -> "Description":
        """Count one more descriptor; `dup(2)`."""
        self._references += 1
        return self

    def release(self) -> None:
        """Count one descriptor fewer, and close after the last one; `close(2)`."""
        self._references -= 1
        if self._references == 0:
            self.close()

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits for some, and is empty only at the end."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    async def write(self, data: bytes) -> None:
        """Write all of `data`; waits for room.

        Raises:
            BrokenPipeError: there are no readers.
        """
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    @abstractmethod
    def close(self) -> None:
        """Release what is open; called once, after the last descriptor was closed."""


class OpenedFile(Description):
    """A file or a device of the filesystem, with a position."""

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self.handle = handle
        self.position = 0

    async def read(self, size: int) -> bytes:
        """Read at the position, and advance it."""
        data = self.handle.pread(self.position, size)
        self.position += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Write at the position, and advance it."""
        self.handle.pwrite(self.position, data)
        self.position = self.handle.inode.size if self.handle.append else self.position + len(data)

    def close(self) -> None:
        """Close the file."""
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
        """Do nothing: the log stays open until the process ends."""


class Document(Description):
    """The text of a here-document, to read once."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    async def read(self, size: int) -> bytes:
        """The next bytes."""
        data, self.data = self.data[:size], self.data[size:]
        return data

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class OpenedTerminal(Description):
    """A terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.terminal: Terminal = terminal

    async def read(self, size: int) -> bytes:
        """What was typed."""
        return await self.terminal.read(size)

    async def write(self, data: bytes) -> None:
        """Show `data` on the screen."""
        await self.terminal.write(data)

    def close(self) -> None:
        """Do nothing: a terminal lives as long as its session."""
