"""Writing to files until all is written."""

import os


def pwrite_all(fd: int, offset: int, data: bytes) -> None:
    """Write all of `data` to a file; pwrite(2) alone may write a part of it.

    Raises:
        OSError: as for `os.pwrite`; a part may be written by then.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset, view = offset + written, view[written:]
