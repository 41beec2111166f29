"""What is mounted where: `/proc/PID/mountinfo`, proc_pid_mountinfo(5)."""

from __future__ import annotations

import os


class MountInfo:
    """One mount of a mount namespace, from a line of the file.

    Attributes:
        number: its id.
        parent: the id of the mount that it is mounted on.
        device: `st_dev` of the files in it.
        root: the directory of the file system that shows there.
        path: where it is, below the root of the process that reads the file.
        source: what was mounted; for file systems in memory, any text.
    """

    __slots__ = ("device", "number", "parent", "path", "root", "source")

    def __init__(self, line: bytes) -> None:
        fields = line.split()
        self.number, self.parent = int(fields[0]), int(fields[1])
        self.device = os.makedev(*map(int, fields[2].split(b":")))
        self.root = _unescaped(fields[3])
        self.path = _unescaped(fields[4])
        # Any number of optional fields, from the seventh on, end with a hyphen.
        self.source = _unescaped(fields[fields.index(b"-", 6) + 2])


def read_mounts(proc: int) -> list[MountInfo]:
    """The mounts of a process.

    Args:
        proc: a descriptor of its folder in `/proc`, since what is mounted at `/proc` may be a
            sandbox's.
    """
    fd = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with os.fdopen(fd, "rb") as file:
        return [MountInfo(line) for line in file.read().splitlines()]


def _unescaped(field: bytes) -> str:
    """Blanks, newlines and backslashes are written as a backslash and three octal digits."""
    first, *rest = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))
