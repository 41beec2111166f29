"""A terminal: what lies between a keyboard and a program. See termios(3)."""

import errno
import os
import signal
from collections import deque
from collections.abc import Callable

from pytest_sandbox.engine import OutputLog, PtySize

from ..condition import Condition

INTERRUPT, END_OF_FILE, ERASE, ERASE_WORD, KILL_LINE, LITERALLY, QUIT, SUSPEND = (
    b"\x03", b"\x04", b"\x7f", b"\x17", b"\x15", b"\x16", b"\x1c", b"\x1a",
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
        self._literally = False
        self._line = b""
        self._ready: deque[bytes] = deque()
        self._closed = False
        self._changed = Condition()

    def resize(self, size: PtySize) -> None:
        """Change the size and tell the foreground processes."""
        if size != self.size:
            self.size = size
            self._send(signal.SIGWINCH)

    async def type(self, data: bytes) -> None:
        """What comes from the keyboard."""
        for i in range(len(data)):
            await self._key(data[i : i + 1])
        self._changed.notify_all()

    def hang_up(self) -> None:
        """Nothing more will be typed: a line begun counts as it is, then comes the end."""
        self._closed = True
        self._push()
        self._changed.notify_all()

    @property
    def pending(self) -> bytes:
        """What was typed and not read."""
        return b"".join(self._ready)

    def restore(self, pending: bytes) -> None:
        """Put in what a snapshot found typed and not read."""
        self._ready.extend(pending.splitlines(keepends=True))

    async def read(self, size: int) -> bytes:
        """A line, or what there is of one; empty at an end of file."""
        while not self._ready:
            if self._closed:
                return b""
            await self._changed.wait()
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
        if self._literally:
            self._literally = False
            await self._take(key)
        elif self.signals and key in _SIGNALS:
            await self._show(_visible(key))
            self._line = b""
            self._send(_SIGNALS[key])
        elif not self.canonical:
            await self._show(_visible(key))
            self._ready.append(key)
        elif key in (ERASE, ERASE_WORD, KILL_LINE):
            await self._erase(key)
        elif key == LITERALLY:
            self._literally = True
            await self._show(b"^\b")
        elif key == END_OF_FILE:
            if self._line:
                self._push()
            else:
                self._ready.append(b"")
        else:
            await self._take(b"\n" if key == b"\r" else key)

    async def _take(self, key: bytes) -> None:
        """Add a character to the line; a line end completes it."""
        self._line += key
        await self._show(b"\r\n" if key == b"\n" else _visible(key))
        if key == b"\n":
            self._push()

    async def _erase(self, key: bytes) -> None:
        """Take back a character, a word with what follows it, or the whole line."""
        in_word = False
        while self._line:
            letter = _is_letter(self._line[-1])
            if key == ERASE_WORD and in_word and not letter:
                break
            in_word = in_word or letter
            await self._show(self._undo())
            if key == ERASE:
                break

    def _undo(self) -> bytes:
        """Drop the last character of the line; what removes it from the screen."""
        last, self._line = self._line[-1:], self._line[:-1]
        if last != b"\t":
            return b"\b \b" * len(_visible(last))
        since_tab = self._line.rpartition(b"\t")[2]
        columns = sum(len(_visible(since_tab[i : i + 1])) for i in range(len(since_tab)))
        return b"\b" * (8 - columns % 8)

    def _push(self) -> None:
        if self._line:
            self._ready.append(self._line)
            self._line = b""

    async def _show(self, data: bytes) -> None:
        if self.echo and not self._screen.closed:
            await self._screen.append(data)


def _visible(key: bytes) -> bytes:
    """A character as a terminal echoes it: `^C` for a control character (`ECHOCTL`)."""
    if key in (b"\t", b"\n") or not (key < b" " or key == b"\x7f"):
        return key
    return b"^" + bytes([key[0] ^ 64])


def _is_letter(byte: int) -> bool:
    """What the kernel takes for a part of a word: letters of Latin-1, digits and `_`."""
    return chr(byte) == "_" or (chr(byte).isalnum() and (byte < 128 or byte >= 0xC0))
