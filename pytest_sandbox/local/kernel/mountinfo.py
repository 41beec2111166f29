"""What is mounted where: `/proc/PID/mountinfo`, proc_pid_mountinfo(5)."""

from __future__ import annotations

import errno
import os


class MountInfo:
    """One mount of a mount namespace, from a line of the file.

    Attributes:
        number: its id.
        parent: the id of the mount that it is mounted on.
        path: where it is, below the root of the process that reads the file.
    """

    __slots__ = ("_fields", "number", "parent", "path")

    def __init__(self, line: bytes) -> None:
        fields = self._fields = line.split()
        self.number, self.parent = int(fields[0]), int(fields[1])
        self.path = _unescaped(fields[4])

    @property
    def device(self) -> int:
        """`st_dev` of the files in it."""
        return os.makedev(*map(int, self._fields[2].split(b":")))

    @property
    def root(self) -> str:
        """The directory of the file system that shows there."""
        return _unescaped(self._fields[3])

    @property
    def source(self) -> str:
        """What was mounted; for file systems in memory, any text."""
        # Any number of optional fields, from the seventh on, end with a hyphen.
        return _unescaped(self._fields[self._fields.index(b"-", 6) + 2])


def read_mounts(proc: int) -> list[MountInfo]:
    """The mounts of a process.

    Args:
        proc: a descriptor of its folder in `/proc`, since what is mounted at `/proc` may be a
            sandbox's.

    Raises:
        ProcessLookupError: it has ended.
    """
    try:
        fd = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError as error:
        # So the kernel says of one that ends: mounts_open_common of fs/proc_namespace.c.
        if error.errno == errno.EINVAL:
            raise ProcessLookupError(errno.ESRCH, "the process has ended", "") from None
        raise
    with os.fdopen(fd, "rb") as file:
        return [MountInfo(line) for line in file.read().splitlines()]


def _unescaped(field: bytes) -> str:
    """Blanks, newlines and backslashes are written as a backslash and three octal digits."""
    if b"\\" not in field:
        return os.fsdecode(field)
    first, *rest = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))
