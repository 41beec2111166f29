"""Where a file has data, and where it has holes: lseek(2)."""

from __future__ import annotations

import errno
import os


def extents(fd: int, info: os.stat_result) -> list[tuple[int, int]]:
    """Offset and length of each part of a file that has data."""
    size = info.st_size
    if info.st_blocks * 512 >= size:
        return [(0, size)] if size else []
    parts: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        parts.append((start, end - start))
    return parts
