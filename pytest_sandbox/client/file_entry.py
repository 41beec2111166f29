"""Entries in the listing of a volume."""

from __future__ import annotations

import enum

from pytest_sandbox._shared.lazy_dataclass import dataclass


class FileEntryType(enum.IntEnum):
    """What an entry in a volume is."""

    UNSPECIFIED = 0
    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    SOCKET = 5


@dataclass(frozen=True)
class FileEntry:
    """A file or directory in a volume.

    Attributes:
        path: relative to the root of the volume.
        type: what it is; of a link, not what the link leads to.
        mtime: when it was last written, in whole seconds since the Unix epoch.
        size: in bytes.
    """

    path: str
    type: FileEntryType
    mtime: int
    size: int
