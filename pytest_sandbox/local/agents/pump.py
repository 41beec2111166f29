"""From a pipe or terminal of a sandbox into an `OutputLog`."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import termios
from typing import TYPE_CHECKING

from .ready import RETRY, read_now, watch

if TYPE_CHECKING:
    from pytest_sandbox.engine import OutputLog

_CHUNK = 64 * 1024
# The most that an ordinary user may have for one pipe, fs.pipe-max-size: pipe(7).
_PIPE = 1024 * 1024
#: Seconds that the output of a terminal, which the kernel hands on late, may lag behind an exit.
_LAG = 0.2


class Pump:
    """Moves output while the log has room, so that a full log makes the program wait.

    The log ends with the process, not with the stream: a daemon that the process left behind may
    keep the stream open for ever. What such a daemon writes later is read and dropped, so that it
    neither blocks on a full pipe nor dies of a broken one (SIGPIPE, pipe(7)).

    Args:
        fd: the reading end; owned.
        log: where the output goes.
        running: the pumps that run, to which this one belongs while it does.
        terminal: whether `fd` is the master end of a terminal.

    Raises:
        OSError: the event loop cannot watch one more descriptor; `fd` is closed.
    """

    def __init__(
        self, fd: int, log: OutputLog, running: set[Pump], *, terminal: bool = False
    ) -> None:
        self._fd = fd
        self._log = log
        self._running = running
        self._terminal = terminal
        self._chunk = _CHUNK
        self._loop = asyncio.get_running_loop()
        self._left: int | None = None  # bytes to move after the exit, once known
        self._waiting: asyncio.Task[None] | None = None  # for room in the log
        self._done = False
        try:
            os.set_blocking(fd, False)
            watch(self._loop.add_reader, fd, self._move)
        except OSError:
            os.close(fd)
            raise
        running.add(self)

    @property
    def inode(self) -> int | None:
        """Which pipe it is, `None` once no process can write to it any more."""
        return None if self._done else os.fstat(self._fd).st_ino

    def process_exited(self) -> None:
        """The process is gone; what it wrote is in the pipe now."""
        if self._left is None and not self._done:
            self._left = self._available()
            if self._terminal:
                self._loop.call_later(_LAG, self._log.close)
            elif self._left == 0 and self._waiting is None:
                self._log.close()

    async def aclose(self) -> None:
        """Stop, whatever is left to move."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])
        self._finish()

    def _available(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, count)
        return count[0]

    def _move(self) -> None:
        """Move what there is, up to a chunk: other streams want their turn."""
        data = self._read()
        if data is None:
            return
        if not data:
            self._finish()
            return
        if self._left is not None:
            self._left = max(0, self._left - len(data))
        if len(data) == _CHUNK == self._chunk and not self._terminal:
            self._grow()
        rest = self._log.add(data)
        if rest:
            # poll(2) is level-triggered: the event loop would spin.
            self._loop.remove_reader(self._fd)
            self._waiting = self._loop.create_task(self._wait_for_room(rest))
        elif self._left == 0 and not self._terminal:
            self._log.close()  # from here on, what comes is dropped by the log

    async def _wait_for_room(self, rest: bytes | memoryview) -> None:
        await self._log.append(rest)
        self._waiting = None
        if self._left == 0 and not self._terminal:
            self._log.close()
        self._watch_again()

    def _watch_again(self) -> None:
        if self._done or self._waiting is not None:
            return
        try:
            watch(self._loop.add_reader, self._fd, self._move)
        except OSError:
            # Nothing that the program wrote may be lost for that, so look again in a while.
            self._loop.call_later(RETRY, self._look_again)

    def _look_again(self) -> None:
        if not self._done:
            self._move()
        self._watch_again()

    def _read(self) -> bytes | None:
        """Some bytes, none at the end, or `None` when there are none yet."""
        try:
            return read_now(self._fd, self._chunk)
        except OSError:
            return b""  # EIO: no process has the terminal open any more

    def _finish(self) -> None:
        if self._done:
            return
        self._done = True
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._log.close()
        self._running.discard(self)

    def _grow(self) -> None:
        """Move more at a time: this is one of the few streams that are long."""
        self._chunk = _PIPE
        # An ordinary user's pipes are bounded in sum, pipe(7); a smaller one works too.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PIPE)
