"""Directories as tar streams: links, modes, owners, times to the nanosecond, and holes."""

from __future__ import annotations

import os

from pytest_sandbox._shared.tar.disk_source import DiskSource

_CHUNK = 256 * 1024
#: What is in them is the kernel's, and has no content that could be somewhere else.
_MADE_UP = ("/proc", "/sys", "/dev")


def pack(path: str, fd: int, *, file: bool = False) -> None:
    """Write what a directory holds to `fd`, but for what is in /proc, /sys and /dev.

    Args:
        path: of the directory.
        fd: where to.
        file: write the file with this path instead.

    Raises:
        OSError: the directory cannot be read, or there is no such file.
    """
    with os.fdopen(fd, "wb", buffering=_CHUNK) as out:
        if file:
            chunks = DiskSource(os.path.dirname(path)).pack_file(os.path.basename(path))
        else:
            chunks = DiskSource(path, _made_up()).pack(itself=False)
        for chunk in chunks:
            out.write(chunk)


def _made_up() -> frozenset[tuple[int, int]]:
    found = [os.stat(path) for path in _MADE_UP if os.path.isdir(path)]
    return frozenset((info.st_dev, info.st_ino) for info in found)
