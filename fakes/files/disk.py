"""What lies on one disk: inodes and their names, open files, and the room they take.

Numbers are those of inodes. Nothing here knows paths, or where the disk is mounted.
"""

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .changes import ChangeKind, Spot, Watches
from .content import Content
from .cow_map import CowMap
from .inode import ROOT, Directory, Inode, Regular

I = TypeVar("I", bound=Inode)  # noqa: E741 - the kernel's own name for it

#: The largest size of a file: what ext4 with blocks of 4 KiB allows.
MAX_SIZE = 16 * 1024**4 - 4096
#: Bytes of content that a disk has room for, unless said otherwise.
DISK = 1024**3


class InodeHolder(Protocol):
    """What keeps an inode alive after its last name is gone: an open file, as `Handle` is."""

    number: int
    spot: Spot | None

    def close(self) -> None:
        """Let go of the inode."""


@dataclass(frozen=True)
class DiskSnapshot:
    """A disk as it was; any number of disks can be made of it.

    Taking one and making a disk of it cost the same whatever the size: nothing is copied until it
    is changed.
    """

    table: CowMap[Inode]
    next_number: int
    size: int
    used: int

    def restore(self, now_ns: Callable[[], int]) -> "Disk":
        """A disk that starts out the same and goes its own way."""
        return Disk(now_ns, start=self)


class Disk:
    """A tree of inodes.

    Args:
        now_ns: the time that files are stamped with, nanoseconds since the epoch.
        size: bytes of content that there is room for, if there is no `start`.
        start: what it starts out as, instead of an empty directory.
        shared: whether it belongs to no tree, and a copy of a tree has the same one.
        mode: the permission bits of its top directory, if there is no `start`.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        *,
        size: int = DISK,
        start: DiskSnapshot | None = None,
        shared: bool = False,
        mode: int = 0o755,
    ) -> None:
        self.now_ns = now_ns
        self._shared = shared
        self._handles: dict[int, list[InodeHolder]] = {}
        if start is not None:
            self._table = start.table.fork()
            self._next_number, self.size, self._used = start.next_number, start.size, start.used
        else:
            self._table = CowMap()
            self._next_number, self.size, self._used = ROOT + 1, size, 0
            self.put(Directory(ROOT, mode, now_ns(), parent=ROOT))
        self.watches = Watches(partial(_spot_of, self._table))

    def snapshot(self) -> DiskSnapshot:
        """The disk as it is now, without files that are open but have no name."""
        table = self._table.fork()
        used = self._used
        for number in self._handles:
            inode = table.get(number)
            if inode is not None and inode.links == 0:
                table.put(number, None)
                used -= inode.content.allocated if isinstance(inode, Regular) else 0
        return DiskSnapshot(table, self._next_number, self.size, used)

    def fork(self) -> "Disk":
        """The disk that a copy of a tree has in its place."""
        return self if self._shared else self.snapshot().restore(self.now_ns)

    # Looking.

    def get(self, number: int) -> Inode | None:
        """An inode, or `None` if it is gone."""
        return self._table.get(number)

    def directory(self, number: int) -> Directory:
        """A directory that is there."""
        inode = self._table.get(number)
        assert isinstance(inode, Directory)
        return inode

    def spot_of(self, number: int) -> Spot | None:
        """Where a directory lies; `None` for the root, and for one that was removed."""
        return _spot_of(self._table, number)

    def is_above(self, inode: Inode, directory: int) -> bool:
        """Whether `directory` is `inode` or lies below it."""
        while directory != inode.number:
            here = self._table.get(directory)
            if directory == ROOT or not isinstance(here, Directory):
                return False
            directory = here.parent
        return True

    # Open files.

    def opened(self, handle: InodeHolder) -> None:
        """Keep an inode for an open file, even after its last name is removed."""
        self._handles.setdefault(handle.number, []).append(handle)

    def released(self, handle: InodeHolder) -> None:
        """Let go of the inode of a file that was closed."""
        handles = self._handles[handle.number]
        handles.remove(handle)
        if not handles:
            del self._handles[handle.number]
            inode = self._table.get(handle.number)
            if inode is not None and inode.links == 0:
                self._forget(inode)

    # Inodes.

    def edit(self, inode: I) -> I:
        """The same inode, made safe to change: copied if a snapshot shares it."""
        if inode.owner is self._table.identity:
            return inode
        mine = inode.copy()
        self.put(mine)
        return mine  # type: ignore[return-value]

    def put(self, inode: Inode) -> None:
        """Have an inode in the table, under its number."""
        inode.owner = self._table.identity
        self._table.put(inode.number, inode)

    def new_number(self) -> int:
        """A number for an inode, each time another."""
        self._next_number += 1
        return self._next_number - 1

    def write(self, inode: Regular, offset: int, data: bytes, spot: Spot | None) -> None:
        """Put bytes into a file.

        Raises:
            OSError: `EFBIG`, beyond what a file may hold; `ENOSPC`, the disk is full.
        """
        if offset + len(data) > MAX_SIZE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if self._used + len(data) > self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if data:
            inode = self.edit(inode)
            self._used += inode.content.write(offset, data)
            inode.touch(self.now_ns())
            self.watches.emit(ChangeKind.MODIFY, inode.number, spot)

    def resize(self, inode: Regular, size: int, spot: Spot | None) -> None:
        """Cut or extend a file."""
        if size > MAX_SIZE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        inode = self.edit(inode)
        before = inode.content.allocated
        if size == 0:
            inode.content = Content()
        else:
            inode.content.truncate(size)
        self._used += inode.content.allocated - before
        inode.touch(self.now_ns())
        self.watches.emit(ChangeKind.MODIFY, inode.number, spot)

    # Names.

    def create(self, spot: Spot, inode: Inode) -> None:
        """Give a new inode its first name."""
        directory = self.directory(spot[0])
        inode.mtime_ns = inode.atime_ns = inode.ctime_ns = self.now_ns()
        if directory.mode & stat.S_ISGID:
            inode.gid = directory.gid
            inode.mode |= stat.S_ISGID if isinstance(inode, Directory) else 0
        self.put(inode)
        self.enter(spot, inode)
        self.watches.emit(
            ChangeKind.CREATE, inode.number, spot, directory=isinstance(inode, Directory)
        )

    def link(self, inode: Inode, spot: Spot) -> None:
        """Give a file one more name."""
        inode = self.edit(inode)
        inode.links += 1
        inode.ctime_ns = self.now_ns()
        self.enter(spot, inode)
        self.watches.emit(ChangeKind.ATTRIB, inode.number, None)
        self.watches.emit(ChangeKind.CREATE, None, spot)

    def unlink(self, spot: Spot, inode: Inode, *, quiet: bool = False) -> None:
        """Take a name away; what has none left and is not open is gone."""
        self.leave(spot, inode)
        directory = isinstance(inode, Directory)
        inode = self.edit(inode)
        inode.links = 0 if directory else inode.links - 1
        inode.ctime_ns = self.now_ns()
        if not quiet:
            self.watches.emit(ChangeKind.ATTRIB, inode.number, None)
            last = None if inode.links else inode.number
            self.watches.emit(ChangeKind.DELETE, last, spot, directory=directory)
        if inode.links == 0 and inode.number not in self._handles:
            self._forget(inode)

    def moved(self, inode: Inode, old: Spot, new: Spot) -> None:
        """Tell everybody of another name."""
        self.edit(inode).ctime_ns = self.now_ns()
        for handle in self._handles.get(inode.number, ()):
            if handle.spot == old:
                handle.spot = new
        self.watches.moved(inode.number, old, new, directory=isinstance(inode, Directory))

    def enter(self, spot: Spot, inode: Inode) -> None:
        """Write a name into a directory."""
        directory = self.edit(self.directory(spot[0]))
        directory.names[spot[1]] = inode.number
        if isinstance(inode, Directory):
            directory.links += 1
            inode = self.edit(inode)
            inode.parent, inode.name = spot
        directory.touch(self.now_ns())

    def leave(self, spot: Spot, inode: Inode) -> None:
        """Strike a name out of a directory."""
        directory = self.edit(self.directory(spot[0]))
        del directory.names[spot[1]]
        if isinstance(inode, Directory):
            directory.links -= 1
        directory.touch(self.now_ns())

    # Copies.

    def adopt(self, inode: Inode, number: int) -> None:
        """Have a copy of an inode of another disk, without any name or anything below it."""
        twin = inode.copy()
        twin.number = number
        if isinstance(twin, Directory):
            twin.names, twin.links, twin.parent = {}, 2, ROOT
        else:
            twin.links = 0
        if isinstance(twin, Regular):
            self._used += twin.content.allocated
        self.put(twin)

    def name(self, spot: Spot, number: int) -> None:
        """Give what was adopted a name; times stay."""
        directory, inode = self.directory(spot[0]), self._table.get(number)
        assert inode is not None
        directory.names[spot[1]] = number
        if isinstance(inode, Directory):
            directory.links += 1
            inode.parent, inode.name = spot
        else:
            inode.links += 1

    def _forget(self, inode: Inode) -> None:
        self._table.put(inode.number, None)
        if isinstance(inode, Regular):
            self._used -= inode.content.allocated


def _spot_of(table: CowMap[Inode], number: int) -> Spot | None:
    directory = table.get(number)
    if number == ROOT or not isinstance(directory, Directory) or not directory.links:
        return None
    return directory.parent, directory.name
