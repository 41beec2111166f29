"""Locks on ranges of a file: fcntl(2), "Open file description locks".

They belong to a descriptor and its copies, in whichever process, and the kernel releases them with
the last of these: a holder that is killed holds nothing any more.
"""

from __future__ import annotations

import errno
import fcntl
import struct

#: `struct flock` on 64-bit Linux; the pid has to be 0 for these locks.
_FLOCK = struct.Struct("hhqqi4x")


def try_lock(fd: int, start: int, length: int, *, shared: bool = False) -> bool:
    """Lock bytes; `False` if somebody else has one of them.

    Raises:
        OSError: the kernel refused it.
    """
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, 0, start, length, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def unlock(fd: int, start: int, length: int) -> None:
    """Release bytes."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, 0, start, length, 0))


def locked(fd: int, start: int, end: int) -> list[tuple[int, int]]:
    """The ranges that others have of those bytes, as first and last but one, in order."""
    if start >= end:
        return []
    asked = _FLOCK.pack(fcntl.F_WRLCK, 0, start, end - start, 0)
    kind, _, first, length, _ = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return []
    # The kernel names one of them, not always the first; a length of 0 is to the end of the file.
    first, last = max(first, start), end if length == 0 else min(first + length, end)
    return [*locked(fd, start, first), (first, last), *locked(fd, last, end)]


def is_locked(fd: int, start: int, length: int) -> bool:
    """Whether others have one of these bytes."""
    return bool(locked(fd, start, start + length))
