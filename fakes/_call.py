"""What a handler is given: the command that it stands for."""

import os
import posixpath
from typing import TYPE_CHECKING

from ._image import put
from ._proc import Proc
from ._walk import fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._vfs import Filesystem


class FileView:
    """The files of a sandbox, for a test to read and write at once, without waiting.

    Args:
        fs: the filesystem.
        base: the folder that relative paths start from.
    """

    def __init__(self, fs: "Filesystem", base: str = "/") -> None:
        self._fs = fs
        self._base = base

    def read_bytes(self, path: str) -> bytes:
        """The content of a file; `OSError` as the kernel has it."""
        handle = self._fs.open(self._absolute(path), os.O_RDONLY)
        try:
            return handle.pread(0, handle.inode.size)
        finally:
            handle.close()

    def read_text(self, path: str) -> str:
        """The content of a file, which is UTF-8."""
        return self.read_bytes(path).decode()

    def write(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Make or replace a file; folders above are made."""
        put(self._fs, self._absolute(path), data.encode() if isinstance(data, str) else data, mode)

    def exists(self, path: str) -> bool:
        """Whether there is something; a broken link is nothing."""
        try:
            self._fs.lookup(self._absolute(path))
        except OSError:
            return False
        return True

    def listdir(self, path: str = ".") -> list[str]:
        """The names in a folder, sorted."""
        return self._fs.names(self._fs.folder(self._absolute(path)))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._fs.unlink(self._absolute(path))

    def _absolute(self, path: str) -> str:
        if "\0" in path:
            fail(22, path)
        return posixpath.join(self._base, path)


class Call:
    """One run of a scripted command, as its handler sees it.

    What is written with `out` and `err` is sent when the handler returns, or at its next `await`
    of one of the methods here. A handler may return the exit code, or the output as text or bytes.

    Attributes:
        argv: the command and its arguments.
        env: its environment.
        cwd: its working directory.
        files: the files of its sandbox; relative paths start from `cwd`.
        stdin: all of its input, if the script was made with `stdin=True`.
    """

    def __init__(self, proc: Proc) -> None:
        self._proc = proc
        self.argv: Sequence[str] = proc.argv
        self.env: dict[str, str] = proc.env
        try:
            self.cwd = proc.fs.path_of(proc.cwd)
        except FileNotFoundError:  # it was removed
            self.cwd = "/"
        self.files = FileView(proc.fs, self.cwd)
        self.stdin = b""
        self._written: list[tuple[int, bytes]] = []

    def out(self, data: str | bytes) -> None:
        """Write to standard output."""
        self._written.append((1, data.encode() if isinstance(data, str) else data))

    def err(self, data: str | bytes) -> None:
        """Write to standard error."""
        self._written.append((2, data.encode() if isinstance(data, str) else data))

    async def flush(self) -> None:
        """Send what was written; waits while nobody reads."""
        while self._written:
            fd, data = self._written.pop(0)
            if fd in self._proc.fds:
                await self._proc.write(fd, data)

    async def read(self, size: int = 65536) -> bytes:
        """Up to `size` bytes of standard input; waits for some, and is empty only at the end."""
        await self.flush()
        return await self._proc.read(0, size)

    async def read_all(self) -> bytes:
        """Standard input to its end."""
        parts = []
        while data := await self.read():
            self._proc.hold(len(data))
            parts.append(data)
        return b"".join(parts)

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        await self.flush()
        await self._proc.sleep(seconds)
