"""Files of groups that stay open, as to open one takes far longer than to use it.

The groups of sandboxes that have ended are used again, so the same files are read each time.
"""

from __future__ import annotations

import os

#: How many stay open: those of the spare groups, and of a few more.
_MOST = 128


class KeptFiles:
    """Reads and writes files below a folder.

    Args:
        folder: a descriptor of it.
    """

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._fds: dict[tuple[str, int], int] = {}  # the least recently used first

    def read(self, path: str) -> str:
        """What a file holds.

        Raises:
            OSError: the kernel refused it; `ENODEV` if its group is gone.
        """
        return os.pread(self.descriptor(path, os.O_RDONLY), 4096, 0).decode()

    def write(self, path: str, value: str) -> None:
        """Write to a file.

        Raises:
            OSError: as `read`.
        """
        os.pwrite(self.descriptor(path, os.O_WRONLY), value.encode(), 0)

    def forget(self, group: str) -> None:
        """Close the files of a group."""
        for path, flags in [key for key in self._fds if key[0].startswith(f"{group}/")]:
            os.close(self._fds.pop((path, flags)))

    def descriptor(self, path: str, flags: int) -> int:
        """A file that is open, at least until others have been asked for.

        Raises:
            OSError: the kernel refused it.
        """
        fd = self._fds.pop((path, flags), None)
        if fd is None:
            fd = os.open(path, flags | os.O_CLOEXEC, dir_fd=self._folder)
            if len(self._fds) >= _MOST:
                os.close(self._fds.pop(next(iter(self._fds))))
        self._fds[path, flags] = fd
        return fd
