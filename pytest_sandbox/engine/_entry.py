"""Results of file operations: directory entries and watch events."""

from enum import Enum

from pytest_sandbox._shared.lazy_dataclass import dataclass


class EntryKind(Enum):
    """What a directory entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"  #: a fifo, a socket, a device


@dataclass(frozen=True)
class Entry:
    """One name in a filesystem, as `lstat(2)` describes it.

    Attributes:
        path: absolute, as asked for; not resolved.
        kind: what it is.
        mode: the whole `st_mode`, type bits included.
        size: bytes.
        uid: numeric owner, as seen inside.
        gid: numeric group, as seen inside.
        owner: the owner's name inside, else the number as text.
        group: the group's name inside, else the number as text.
        mtime_ns: modification time, nanoseconds since the epoch.
        symlink_target: the text of a symbolic link.
    """

    path: str
    kind: EntryKind
    mode: int
    size: int
    uid: int
    gid: int
    owner: str
    group: str
    mtime_ns: int
    symlink_target: str | None = None

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rstrip("/").rpartition("/")[2]


class WatchKind(Enum):
    """What happened to a watched path; a rename has both paths when both are known."""

    CREATE = "Create"
    MODIFY = "Modify"
    REMOVE = "Remove"
    ACCESS = "Access"
    RENAME = "Rename"
    RENAME_FROM = "RenameFrom"
    RENAME_TO = "RenameTo"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class WatchEvent:
    """One change below a watched path."""

    kind: WatchKind
    paths: tuple[str, ...]
