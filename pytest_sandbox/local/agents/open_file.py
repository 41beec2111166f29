"""A file of a sandbox, opened inside and used from here."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.whole_writes import pwrite_all
from pytest_sandbox.engine import OpenFile, TaskEnded

from . import file_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from .file_threads import FileThreads

_T = TypeVar("_T")


class LocalOpenFile(OpenFile):
    """A descriptor that the agent opened; `set` of the task's open files knows it until it closes.

    Args:
        fd: the descriptor, of a regular file; owned.
        path: for messages.
        opened: the task's open files.
        running: unset while nothing may change the task's files.
        threads: those of the task.
    """

    def __init__(
        self,
        fd: int,
        path: str,
        opened: set[LocalOpenFile],
        running: asyncio.Event,
        threads: FileThreads,
    ) -> None:
        self._fd: int | None = fd
        self._path = path
        self._opened = opened
        self._running = running
        self._threads = threads
        self._ended = False
        opened.add(self)

    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        return await self._run(lambda fd: os.pread(fd, size, offset))

    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if open for appending."""
        await self._run(lambda fd: pwrite_all(fd, offset, data))

    async def size(self) -> int:
        """Bytes in the file now."""
        return await self._run(lambda fd: os.fstat(fd).st_size)

    async def truncate(self, size: int) -> None:
        """Cut or extend the file."""
        await self._run(lambda fd: os.ftruncate(fd, size))

    async def close(self) -> None:
        """Release the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            try:
                await asyncio.shield(asyncio.wrap_future(file_threads.close(fd)))
            finally:
                self._opened.discard(self)

    def task_ended(self) -> None:
        """The sandbox is gone; an open file would keep a part of it."""
        self._ended = True
        self._opened.discard(self)
        fd, self._fd = self._fd, None
        if fd is not None:
            file_threads.close(fd)

    async def _run(self, work: Callable[[int], _T]) -> _T:
        async def prepare() -> Callable[[], _T]:
            await self._running.wait()
            if self._ended:
                raise TaskEnded("the task has ended")
            if self._fd is None:
                raise OSError(errno.EBADF, "the file is closed", self._path)
            # A copy, since `close` may come while the thread uses it, and the number could be
            # another file's by then.
            copy = os.dup(self._fd)
            return lambda: _and_close(copy, work)

        try:
            return await self._threads.run(prepare)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None


def _and_close(fd: int, work: Callable[[int], _T]) -> _T:
    try:
        return work(fd)
    finally:
        os.close(fd)
