"""Into the standard input of a process, without blocking."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os

from .ready import RETRY, finish, watch, write_now


class StdinPump:
    """The engine's end of a pipe or terminal that a process reads.

    Args:
        fd: the descriptor; owned.
        terminal: whether closing means to type the end-of-file character.

    Raises:
        OSError: the kernel refused not to block; `fd` is closed.
    """

    def __init__(self, fd: int, *, terminal: bool = False) -> None:
        try:
            os.set_blocking(fd, False)
        except OSError:
            os.close(fd)
            raise
        self._fd: int | None = fd
        self._terminal = terminal
        self._turn = asyncio.Lock()
        self._writable: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def inode(self) -> int | None:
        """Which pipe it is, `None` once it is closed."""
        return None if self._fd is None else os.fstat(self._fd).st_ino

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is in the pipe.

        Raises:
            BrokenPipeError: no process can read it any more, or it was closed.
        """
        async with self._turn:
            view = memoryview(data)
            if not view:
                self._open_fd()
            try:
                while view:
                    written = write_now(self._open_fd(), view)
                    view = view[written:]
                    if not written:
                        await self._wait()
            except OSError as error:
                raise _broken() from error

    async def close(self) -> None:
        """Let the reader see the end, after what was written before."""
        async with self._turn:
            if self._terminal and self._fd is not None:
                # VEOF of a terminal in canonical mode, termios(3). Closing the master would hang up
                # instead, and end the program by SIGHUP.
                end_of_file = b"\x04"
                with contextlib.suppress(OSError):  # there may be no process left to read it
                    os.write(self._fd, end_of_file)
            self.release()

    def release(self) -> None:
        """Close at once; a write that waits fails."""
        if self._fd is not None:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = None
        if self._writable is not None:
            finish(self._writable)

    def _open_fd(self) -> int:
        if self._fd is None:
            raise _broken()
        return self._fd

    async def _wait(self) -> None:
        fd = self._open_fd()
        self._writable = writable = self._loop.create_future()
        try:
            watch(self._loop.add_writer, fd, finish, writable)
        except OSError:
            # A part may be in the pipe already, so this is no time to give up: try in a while.
            await asyncio.sleep(RETRY)
            return
        try:
            await writable
        finally:
            if self._fd is not None:
                self._loop.remove_writer(fd)


def _broken() -> BrokenPipeError:
    return BrokenPipeError(errno.EPIPE, "the process does not read its standard input any more")
