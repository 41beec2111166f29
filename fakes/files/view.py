"""The files of a sandbox, as tests and handlers see them."""

import errno
import os
import posixpath

from .trees import put
from .vfs import Filesystem
from .walk import fail


class FileView:
    """The files of a sandbox, for a test to read and write at once, without waiting.

    Args:
        fs: the filesystem.
        base: the folder that relative paths start from.
    """

    def __init__(self, fs: Filesystem, base: str = "/") -> None:
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
            fail(errno.EINVAL, path)
        return posixpath.join(self._base, path)
