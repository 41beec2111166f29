"""What is mounted where: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os


class Mount:
    """One mount.

    Attributes:
        number: its id.
        parent: the id of the one that it is mounted on.
        device: `st_dev` of the files in it.
        path: where, below the root of whoever asks.
        source: what was mounted.
    """

    def __init__(self, line: bytes) -> None:
        fields = line.split()
        self.number, self.parent = int(fields[0]), int(fields[1])
        self.device = os.makedev(*map(int, fields[2].split(b":")))
        self.path = _unescaped(fields[4])
        self.source = _unescaped(fields[fields.index(b"-", 6) + 2])


def read_mounts(proc: int) -> list[Mount]:
    """The mounts of a process, of which `proc` is the folder in `/proc`."""
    fd = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with os.fdopen(fd, "rb") as file:
        return [Mount(line) for line in file.read().splitlines()]


def _unescaped(field: bytes) -> str:
    """Some bytes are written as a backslash and three octal digits."""
    first, *rest = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))
