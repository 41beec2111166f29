"""Directories as tar streams: links, modes, owners, times to the nanosecond, and holes."""

from __future__ import annotations

import os

from pytest_sandbox._shared.tar.disk_source import DiskSource

_CHUNK = 256 * 1024


def pack(path: str, fd: int) -> None:
    """Write what a directory holds to `fd`.

    Raises:
        OSError: the directory cannot be read.
    """
    with os.fdopen(fd, "wb", buffering=_CHUNK) as out:
        for chunk in DiskSource(path).pack(itself=False):
            out.write(chunk)
