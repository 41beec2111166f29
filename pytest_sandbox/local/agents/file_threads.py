"""Threads for system calls on files that a sandbox controls.

Any of them may take as long as the sandbox wants: pwrite(2) waits for the lock of the inode, which
another write holds to its end; close(2) frees a file that was removed meanwhile. On the event loop
that would stop all sandboxes, so threads wait, and each sandbox can occupy few of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")
#: Threads that one sandbox may occupy. Two, so that one file that is stuck does not stop the rest.
PER_SANDBOX = 2
#: Made as they are needed, and used by all sandboxes: a thread costs more than what it does here.
_threads = ThreadPoolExecutor(256, "files of sandboxes")


class FileThreads:
    """The threads of one sandbox."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(PER_SANDBOX)

    async def run(self, prepare: Callable[[], Awaitable[Callable[[], _T]]]) -> _T:
        """Do work in a thread; what it returns or raises.

        If the caller is cancelled, work that has begun goes on, and occupies its thread until then.

        Args:
            prepare: called when there is a thread; gives the work.
        """
        await self._free.acquire()
        try:
            future = _threads.submit(await prepare())
        except BaseException:
            self._free.release()
            raise
        loop = asyncio.get_running_loop()

        def release(_: Future[_T]) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(self._free.release)

        future.add_done_callback(release)
        # Not cancelled with the caller: the work may have to close a descriptor.
        return await asyncio.shield(asyncio.wrap_future(future))


def close(fd: int) -> Future[None]:
    """Close a descriptor in a thread: the last one of a removed file frees all that it holds."""
    return _threads.submit(os.close, fd)
