"""Being told of changes to files and directories: inotify(7)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .syscalls import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# include/uapi/linux/inotify.h
ACCESS = 0x1
MODIFY = 0x2
ATTRIB = 0x4
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
#: The queue was full, and events are missing. Belongs to no watch.
OVERFLOW = 0x4000
#: The watch is gone, since what it watched is.
IGNORED = 0x8000
IS_DIRECTORY = 0x40000000
ONLY_DIRECTORIES = 0x01000000
DO_NOT_FOLLOW = 0x02000000

_EVENT = struct.Struct("iIII")  # struct inotify_event, without the name that follows it
#: Bytes for many events: one has at most 16 and a name of 255.
_BUFFER = 65536


class Event:
    """One change.

    Attributes:
        watch: the number that `add_watch` returned.
        mask: what happened.
        cookie: the same number for both halves of a rename.
        name: in the directory that is watched, or `""` for what is watched itself.
    """

    __slots__ = ("cookie", "mask", "name", "watch")

    def __init__(self, watch: int, mask: int, cookie: int, name: str) -> None:
        self.watch = watch
        self.mask = mask
        self.cookie = cookie
        self.name = name


def open_queue(about: str) -> int:
    """A descriptor of a new queue of events, which is readable when there are some.

    Args:
        about: the path that an error names.

    Raises:
        OSError: `EMFILE` if the user has too many.
    """
    return _check(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), about)


def add_watch(queue: int, path: str, mask: int) -> int:
    """Watch a file, or a directory and what is directly in it; returns a number.

    Raises:
        OSError: `ENOSPC` if the user has too many, or the kernel's.
    """
    return _check(libc.inotify_add_watch(queue, os.fsencode(path), mask), path)


def read_events(queue: int) -> Iterator[Event]:
    """The events that are there now, at least one."""
    data = os.read(queue, _BUFFER)
    offset = 0
    while offset < len(data):
        watch, mask, cookie, length = _EVENT.unpack_from(data, offset)
        offset += _EVENT.size
        name = data[offset : offset + length].rstrip(b"\0")  # padded, to align the next event
        offset += length
        yield Event(watch, mask, cookie, os.fsdecode(name))


def _check(result: int, path: str) -> int:
    if result >= 0:
        return result
    number = ctypes.get_errno()
    if number == errno.ENOSPC:  # nothing to do with the disk, as strerror(3) would have it
        raise OSError(number, "no inotify watches left: fs.inotify.max_user_watches", path)
    if number == errno.EMFILE:
        raise OSError(number, "no inotify instances left: fs.inotify.max_user_instances", path)
    raise OSError(number, os.strerror(number), path)
