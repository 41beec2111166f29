"""Where a file has data, and where it has holes: lseek(2)."""

from __future__ import annotations

import errno
import os

_SECTOR = 512  # the unit of st_blocks: stat(3type)


def extents(fd: int, info: os.stat_result) -> list[tuple[int, int]]:
    """Offset and length of each part of a file that has data.

    Args:
        fd: the open file; its position moves.
        info: its status; what it says of the size holds even if the file changes meanwhile.
    """
    size = info.st_size
    if info.st_blocks * _SECTOR >= size:
        return [(0, size)] if size else []
    found: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end, or the file has become shorter
        if start >= end:
            break  # the file has grown: this is beyond the size that counts
        found.append((start, end - start))
    return found
