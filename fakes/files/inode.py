"""What a filesystem is made of."""

import stat
from copy import copy

from .content import Content

#: The number of the directory that holds all others of its disk.
ROOT = 1


class Inode:
    """What all kinds of files have in common.

    Attributes:
        owner: the identity of the table that may change this object; see `CowMap`.
        number: `st_ino`.
        mode: the whole `st_mode`.
        links: how many names it has.
        mtime_ns: when its bytes or names changed, nanoseconds since the epoch.
        atime_ns: as last set; reading does not move it, as with `noatime`.
        ctime_ns: when anything about it changed.
    """

    __slots__ = (
        "atime_ns",
        "ctime_ns",
        "gid",
        "links",
        "mode",
        "mtime_ns",
        "number",
        "owner",
        "uid",
    )
    kind: int

    def __init__(self, number: int, mode: int, now_ns: int) -> None:
        self.owner: object = None
        self.number = number
        self.mode = self.kind | mode
        self.uid = 0
        self.gid = 0
        self.links = 1
        self.mtime_ns = self.atime_ns = self.ctime_ns = now_ns

    @property
    def size(self) -> int:
        """`st_size`."""
        return 0

    def copy(self) -> "Inode":
        """A second object that can be changed without the first."""
        return copy(self)

    def touch(self, now_ns: int) -> None:
        """Its bytes or names changed."""
        self.mtime_ns = self.ctime_ns = now_ns


class Regular(Inode):
    """A file with bytes."""

    __slots__ = ("content",)
    kind = stat.S_IFREG

    def __init__(self, number: int, mode: int, now_ns: int) -> None:
        super().__init__(number, mode, now_ns)
        self.content = Content()

    @property
    def size(self) -> int:
        """`st_size`."""
        return self.content.size

    def copy(self) -> "Regular":
        """A second object that can be changed without the first."""
        other = copy(self)
        other.content = self.content.copy()
        return other


class Directory(Inode):
    """Names, each with the number of an inode.

    Attributes:
        parent: number of the directory that it lies in, which is what `..` means.
        name: its one name there.
    """

    __slots__ = ("name", "names", "parent")
    kind = stat.S_IFDIR

    def __init__(self, number: int, mode: int, now_ns: int, parent: int) -> None:
        super().__init__(number, mode, now_ns)
        self.links = 2
        self.names: dict[str, int] = {}
        self.parent = parent
        self.name = ""

    @property
    def size(self) -> int:
        """`st_size`."""
        return 4096

    def copy(self) -> "Directory":
        """A second object that can be changed without the first."""
        other = copy(self)
        other.names = self.names.copy()
        return other


class Symlink(Inode):
    """A path to read instead."""

    __slots__ = ("target",)
    kind = stat.S_IFLNK

    def __init__(self, number: int, now_ns: int, target: str) -> None:
        super().__init__(number, 0o777, now_ns)
        self.target = target

    @property
    def size(self) -> int:
        """`st_size`."""
        return len(self.target.encode(errors="surrogateescape"))


class Device(Inode):
    """A character device, known by its name: `null`, `zero`, `full`, `random`, `tty`."""

    __slots__ = ("device",)
    kind = stat.S_IFCHR

    def __init__(self, number: int, mode: int, now_ns: int, device: str) -> None:
        super().__init__(number, mode, now_ns)
        self.device = device
