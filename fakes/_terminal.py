"""A terminal: what lies between a keyboard and a program. See termios(3)."""

import errno
import os
import signal
from collections import deque
from collections.abc import Callable

from ..engine import OutputLog, PtySize
from ._bell import Bell
from ._description import Description

INTERRUPT, END_OF_FILE, ERASE, ERASE_WORD, KILL_LINE, QUIT, SUSPEND = (
    b"\x03", b"\x04", b"\x7f", b"\x17", b"\x15", b"\x1c", b"\x1a",
)  # fmt: skip
_SIGNALS = {INTERRUPT: signal.SIGINT, QUIT: signal.SIGQUIT, SUSPEND: signal.SIGTSTP}


class Terminal:
    """The line discipline, with the settings that a fresh terminal has.

    Args:
        name: the path that `tty` prints.
        screen: where all that is shown goes.
        size: in characters.
        send: sends a signal to the foreground process group.

    Attributes:
        canonical: input comes in lines that can be edited (`ICANON`).
        echo: what is typed is shown (`ECHO`).
        signals: control characters are signals (`ISIG`).
        processing: a line end is shown as carriage return and line feed (`OPOST`, `ONLCR`).
    """

    def __init__(
        self, name: str, screen: OutputLog, size: PtySize, send: Callable[[int], None]
    ) -> None:
        self.name = name
        self.size = size
        self.canonical = self.echo = self.signals = self.processing = True
        self._screen = screen
        self._send = send
        self._line = b""
        self._ready: deque[bytes] = deque()
        self._closed = False
        self._bell = Bell()

    def resize(self, size: PtySize) -> None:
        """Change the size and tell the foreground processes."""
        if size != self.size:
            self.size = size
            self._send(signal.SIGWINCH)

    async def type(self, data: bytes) -> None:
        """What comes from the keyboard."""
        for i in range(len(data)):
            await self._key(data[i : i + 1])
        self._bell.ring()

    def hang_up(self) -> None:
        """Nothing more will be typed: a line begun counts as it is, then comes the end."""
        self._closed = True
        self._push()
        self._bell.ring()

    async def read(self, size: int) -> bytes:
        """A line, or what there is of one; empty at an end of file."""
        while not self._ready:
            if self._closed:
                return b""
            await self._bell.wait()
        data = self._ready.popleft()
        if len(data) > size:
            self._ready.appendleft(data[size:])
        return data[:size]

    async def write(self, data: bytes) -> None:
        """Show something."""
        if self._screen.closed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        await self._screen.append(data.replace(b"\n", b"\r\n") if self.processing else data)

    async def _key(self, key: bytes) -> None:
        if self.signals and key in _SIGNALS:
            await self._show(b"^" + bytes([key[0] + 64]))
            self._line = b""
            self._send(_SIGNALS[key])
        elif not self.canonical:
            await self._show(key)
            self._ready.append(key)
        elif key in (ERASE, ERASE_WORD, KILL_LINE):
            await self._erase(key)
        elif key == END_OF_FILE:
            if self._line:
                self._push()
            else:
                self._ready.append(b"")
        else:
            key = b"\n" if key == b"\r" else key
            self._line += key
            await self._show(b"\r\n" if key == b"\n" else key)
            if key == b"\n":
                self._push()

    async def _erase(self, key: bytes) -> None:
        keep = len(self._line) - 1
        if key == ERASE_WORD:
            keep = self._line.rstrip().rfind(b" ") + 1
        if key == KILL_LINE:
            keep = 0
        keep = max(keep, 0)
        await self._show(b"\b \b" * (len(self._line) - keep))
        self._line = self._line[:keep]

    def _push(self) -> None:
        if self._line:
            self._ready.append(self._line)
            self._line = b""

    async def _show(self, data: bytes) -> None:
        if self.echo and not self._screen.closed:
            await self._screen.append(data)


class OpenedTerminal(Description):
    """A descriptor that leads to a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.terminal: Terminal = terminal

    async def read(self, size: int) -> bytes:
        """What was typed."""
        return await self.terminal.read(size)

    async def write(self, data: bytes) -> None:
        """Show something."""
        await self.terminal.write(data)

    def close(self) -> None:
        """A terminal stays while its session does."""
