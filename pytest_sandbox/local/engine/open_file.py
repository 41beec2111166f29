"""A file of a sandbox, opened inside and used from here."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox.engine import OpenFile, TaskEnded

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
#: Bytes that are moved on the event loop: a thread costs more than copying them.
_INLINE = 256 * 1024


class LocalOpenFile(OpenFile):
    """A descriptor that the agent opened; `set` of the task's open files knows it until it closes.

    Args:
        fd: the descriptor, of a regular file; owned.
        path: for messages.
        opened: the task's open files.
        running: unset while nothing may change the task's files.
    """

    def __init__(
        self, fd: int, path: str, opened: set[LocalOpenFile], running: asyncio.Event
    ) -> None:
        self._fd: int | None = fd
        self._path = path
        self._opened = opened
        self._running = running
        self._ended = False
        # Files of the kernel's own (in /proc, say) may block, and have no size to tell them by.
        self._plain = os.fstat(fd).st_size > 0 or _is_ordinary(fd)
        opened.add(self)

    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        return await self._run(size, lambda fd: os.pread(fd, size, offset))

    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if open for appending."""
        await self._run(len(data), lambda fd: _write_all(fd, offset, data))

    async def size(self) -> int:
        """Bytes in the file now."""
        return await self._run(0, lambda fd: os.fstat(fd).st_size)

    async def truncate(self, size: int) -> None:
        """Cut or extend the file."""
        await self._run(0, lambda fd: os.ftruncate(fd, size))

    async def close(self) -> None:
        """Release the file."""
        self.release()

    def release(self) -> None:
        """Close at once."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._opened.discard(self)

    def task_ended(self) -> None:
        """The sandbox is gone; an open file would keep a part of it."""
        self._ended = True
        self.release()

    async def _run(self, size: int, work: Callable[[int], _T]) -> _T:
        await self._running.wait()
        if self._ended:
            raise TaskEnded("the task has ended")
        if self._fd is None:
            raise OSError(errno.EBADF, "the file is closed", self._path)
        try:
            if self._plain and size <= _INLINE:
                return work(self._fd)
            # A copy, since `release` may close the file while the thread uses it, and the number
            # could be another file's by then.
            return await asyncio.to_thread(_with_copy, os.dup(self._fd), work)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None


def _is_ordinary(fd: int) -> bool:
    """Whether an empty file is one of a filesystem with blocks: the kernel's own have none."""
    return os.fstatvfs(fd).f_blocks > 0


def _with_copy(fd: int, work: Callable[[int], _T]) -> _T:
    """Use a copy of a descriptor, which may be closed meanwhile, and close the copy."""
    try:
        return work(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset, view = offset + written, view[written:]
