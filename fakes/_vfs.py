"""A filesystem in memory that answers as Linux does to its root user.

One method per system call. `base` is the directory that a relative path starts from. Errors
are `OSError` with the errno of the kernel. Modes never keep root out, as `CAP_DAC_OVERRIDE`
has it, except that executing needs one execute bit.
"""

import errno
import os
import stat
from collections.abc import Callable
from typing import ClassVar, TypeVar

from ._changes import Spot, Watches, What
from ._content import Content
from ._handle import Handle
from ._inode import Device, Directory, Inode, Regular, Symlink
from ._table import Table
from ._walk import PATH_MAX, ROOT, Place, Walk, fail

I = TypeVar("I", bound=Inode)  # noqa: E741 - the kernel's own name for it

#: The largest size of a file: what ext4 with blocks of 4 KiB allows.
MAX_SIZE = 16 * 1024**4 - 4096

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
_PERMISSIONS = 0o7777
#: Bytes of content that a filesystem has room for, unless said otherwise.
DISK = 1024**3


class Snapshot:
    """A filesystem as it was; any number of filesystems can be made of it.

    Taking one and making a filesystem of it cost the same whatever the size: nothing is copied
    until it is changed.
    """

    what: ClassVar[str] = "the filesystem"

    def __init__(self, table: Table[Inode], next_number: int, disk: int, used: int) -> None:
        self._table = table
        self._next_number = next_number
        self._disk = disk
        self._used = used

    def restore(self, now_ns: Callable[[], int]) -> "Filesystem":
        """A filesystem that starts out the same and goes its own way."""
        fs = Filesystem(now_ns, self._table.fork(), disk=self._disk)
        fs.take_over(self._next_number, self._used)
        return fs


class Filesystem:
    """A tree of inodes.

    Args:
        now_ns: the time that files are stamped with, nanoseconds since the epoch.
        table: the inodes, of a snapshot.
        disk: bytes of content that there is room for.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        table: Table[Inode] | None = None,
        *,
        disk: int = DISK,
    ) -> None:
        self.now_ns = now_ns
        self.watches = Watches(self._spot_of)
        self._table: Table[Inode] = table or Table()
        self._next_number = ROOT + 1
        self._disk = disk
        self._used = 0
        self._handles: dict[int, list[Handle]] = {}
        if table is None:
            self._put(Directory(ROOT, 0o755, now_ns(), parent=ROOT))

    def snapshot(self) -> Snapshot:
        """What the filesystem is now. Files that are open but have no name are not kept."""
        table = self._table.fork()
        used = self._used
        for number in self._handles:
            inode = table.get(number)
            if inode is not None and inode.links == 0:
                table.put(number, None)
                used -= inode.content.allocated if isinstance(inode, Regular) else 0
        return Snapshot(table, self._next_number, self._disk, used)

    def take_over(self, next_number: int, used: int) -> None:
        """Go on where a snapshot left off."""
        self._next_number, self._used = next_number, used

    # Looking.

    def lookup(self, path: str, *, base: int = ROOT, follow: bool = True) -> Inode:
        """The inode that a path means; `stat(2)`, and `lstat(2)` without `follow`."""
        return Walk(self._table, path, base).lookup(follow=follow)

    def directory(self, path: str, *, base: int = ROOT) -> Directory:
        """The directory that a path means, links followed; `chdir(2)`."""
        inode = self.lookup(path, base=base)
        return inode if isinstance(inode, Directory) else fail(errno.ENOTDIR, path)

    def readlink(self, path: str, *, base: int = ROOT) -> str:
        """The text of a symbolic link; `readlink(2)`."""
        inode = self.lookup(path, base=base, follow=False)
        return inode.target if isinstance(inode, Symlink) else fail(errno.EINVAL, path)

    def inode(self, number: int) -> Inode:
        """An inode by its number, for whoever holds it open.

        Raises:
            OSError: `ENOENT`, it is gone.
        """
        found = self._table.get(number)
        return found if found is not None else fail(errno.ENOENT, f"inode {number}")

    def path_of(self, directory: int) -> str:
        """The absolute path of a directory; `getcwd(2)`.

        Raises:
            OSError: `ENOENT`, it was removed.
        """
        names: list[str] = []
        while directory != ROOT:
            spot = self._spot_of(directory)
            if spot is None:
                fail(errno.ENOENT, "")
            directory = spot[0]
            names.append(spot[1])
        return "/" + "/".join(reversed(names))

    # Opening.

    def open(self, path: str, flags: int, mode: int = 0o666, *, base: int = ROOT) -> Handle:
        """Open, and perhaps make, a file; `open(2)`."""
        if flags & os.O_CREAT and flags & os.O_DIRECTORY:
            fail(errno.EINVAL, path)
        walk = Walk(self._table, path, base)
        place = walk.parent()
        inode = self._openable(walk, place, flags)
        while isinstance(inode, Symlink):
            place = walk.through(inode, place.directory, slash=place.slash)
            inode = self._openable(walk, place, flags)
        spot = None if place.special else (place.directory, place.name)
        if inode is None:
            number = self._create(path, place, Regular(self._number(), mode & _PERMISSIONS, 0))
        else:
            number = inode.number
            self._check_open(inode, path, flags, spot)
        self.watches.emit(What.OPEN, number, spot, directory=isinstance(inode, Directory))
        return self._handle(number, spot, flags)

    def _openable(self, walk: Walk, place: Place, flags: int) -> Inode | None:
        """The last component for `open`: a link is returned only if it is to be followed."""
        exclusive = flags & os.O_CREAT and flags & os.O_EXCL
        if flags & os.O_CREAT and place.slash and not place.special:
            walk.fail(errno.EISDIR)
        inode = walk.child(place.directory, place.name)
        if inode is None:
            return None if flags & os.O_CREAT else walk.fail(errno.ENOENT)
        if exclusive:
            walk.fail(errno.EEXIST)
        if isinstance(inode, Symlink):
            if flags & os.O_NOFOLLOW and not place.slash:
                walk.fail(errno.ENOTDIR if flags & os.O_DIRECTORY else errno.ELOOP)
            return inode
        if place.slash and not isinstance(inode, Directory):
            walk.fail(errno.ENOTDIR)
        return inode

    def _check_open(self, inode: Inode, path: str, flags: int, spot: Spot | None) -> None:
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        if isinstance(inode, Directory):
            if writing or flags & (os.O_CREAT | os.O_TRUNC):
                fail(errno.EISDIR, path)
        elif flags & os.O_DIRECTORY:
            fail(errno.ENOTDIR, path)
        elif isinstance(inode, Regular) and flags & os.O_TRUNC:
            self.resize(inode, 0, spot)

    def _handle(self, number: int, spot: Spot | None, flags: int) -> Handle:
        handle = Handle(self, number, spot, flags)
        self._handles.setdefault(number, []).append(handle)
        return handle

    def hold(self, directory: int) -> Handle:
        """Keep a directory alive though it may lose its name, as a working directory is."""
        return self._handle(directory, None, os.O_PATH)

    def released(self, handle: Handle) -> None:
        """A handle was closed; called by the handle."""
        handles = self._handles[handle.number]
        handles.remove(handle)
        if not handles:
            del self._handles[handle.number]
            inode = self.inode(handle.number)
            if inode.links == 0:
                self._forget(inode)

    # Making.

    def mkdir(self, path: str, mode: int = 0o777, *, base: int = ROOT) -> None:
        """Make a directory; `mkdir(2)`."""
        place = self._vacant(path, base, directory=True)
        mode = mode & 0o1777
        self._create(path, place, Directory(self._number(), mode, 0, place.directory))

    def symlink(self, target: str, path: str, *, base: int = ROOT) -> None:
        """Make a symbolic link at `path`; `symlink(2)`."""
        if not target:
            fail(errno.ENOENT, target, path)
        if len(os.fsencode(target)) >= PATH_MAX:
            fail(errno.ENAMETOOLONG, target, path)
        place = self._vacant(path, base)
        self._create(path, place, Symlink(self._number(), 0, target))

    def mknod(self, path: str, device: str, mode: int = 0o666) -> None:
        """Make a character device that behaves as the one called `device`; `mknod(2)`."""
        place = self._vacant(path, ROOT)
        self._create(path, place, Device(self._number(), mode, 0, device))

    def link(self, source: str, path: str, *, base: int = ROOT, follow: bool = False) -> None:
        """Give a file a second name; `link(2)`."""
        inode = self.lookup(source, base=base, follow=follow)
        place = self._vacant(path, base)
        if isinstance(inode, Directory):
            fail(errno.EPERM, source, path)
        directory = self._alive(place.directory, path)
        inode = self.edit(inode)
        inode.links += 1
        inode.ctime_ns = self.now_ns()
        self._enter(directory, place.name, inode)
        self.watches.emit(What.ATTRIB, inode.number, None)
        self.watches.emit(What.CREATE, None, (place.directory, place.name))

    # Removing and renaming.

    def rmdir(self, path: str, *, base: int = ROOT) -> None:
        """Remove an empty directory; `rmdir(2)`."""
        walk = Walk(self._table, path, base)
        place = walk.parent()
        if place.special:
            walk.fail({"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}[place.name])
        inode = walk.child(place.directory, place.name)
        if inode is None:
            walk.fail(errno.ENOENT)
        if not isinstance(inode, Directory):
            walk.fail(errno.ENOTDIR)
        if inode.names:
            walk.fail(errno.ENOTEMPTY)
        self._unname(place.directory, place.name, inode)

    def unlink(self, path: str, *, base: int = ROOT) -> None:
        """Remove a name of a file; `unlink(2)`."""
        walk = Walk(self._table, path, base)
        place = walk.parent()
        if place.special:
            walk.fail(errno.EISDIR)
        inode = walk.child(place.directory, place.name)
        if inode is None:
            walk.fail(errno.ENOENT)
        if isinstance(inode, Directory):
            walk.fail(errno.EISDIR)
        if place.slash:
            walk.fail(errno.ENOTDIR)
        self._unname(place.directory, place.name, inode)

    def rename(self, old: str, new: str, *, base: int = ROOT, flags: int = 0) -> None:
        """Move a name over another; `renameat2(2)`."""
        source_walk, target_walk = Walk(self._table, old, base), Walk(self._table, new, base)
        source_place, target_place = source_walk.parent(), target_walk.parent()
        if source_place.special:
            fail(errno.EBUSY, old, new)
        if target_place.special:
            fail(errno.EEXIST if flags & RENAME_NOREPLACE else errno.EBUSY, old, new)
        source = source_walk.child(source_place.directory, source_place.name)
        if source is None:
            fail(errno.ENOENT, old, new)
        target = target_walk.child(target_place.directory, target_place.name)
        if target is None and flags & RENAME_EXCHANGE:
            fail(errno.ENOENT, old, new)
        if target is not None and flags & RENAME_NOREPLACE:
            fail(errno.EEXIST, old, new)
        number = self._rename_error(source, source_place, target, target_place, flags)
        if number:
            fail(number, old, new)
        if target is None:
            self._alive(target_place.directory, new)
        if source is target:
            return
        if flags & RENAME_EXCHANGE:
            assert target is not None
            self._exchange(source, source_place, target, target_place)
        else:
            self._replace(source, source_place, target, target_place)

    def _rename_error(
        self,
        source: Inode,
        source_place: Place,
        target: Inode | None,
        target_place: Place,
        flags: int,
    ) -> int:
        exchange = flags & RENAME_EXCHANGE
        if not isinstance(source, Directory) and (
            source_place.slash or (target_place.slash and not exchange)
        ):
            return errno.ENOTDIR
        if self._is_above(source, target_place.directory):
            return errno.EINVAL
        if target is not None and self._is_above(target, source_place.directory):
            return errno.EINVAL if exchange else errno.ENOTEMPTY
        if target is None or target is source or exchange:
            return 0
        if isinstance(source, Directory):
            if not isinstance(target, Directory):
                return errno.ENOTDIR
            return errno.ENOTEMPTY if target.names else 0
        return errno.EISDIR if isinstance(target, Directory) else 0

    def _is_above(self, inode: Inode, directory: int) -> bool:
        """Whether `directory` is `inode` or lies below it."""
        while directory != inode.number:
            here = self._table.get(directory)
            if directory == ROOT or not isinstance(here, Directory):
                return False
            directory = here.parent
        return True

    def _replace(
        self, source: Inode, source_place: Place, target: Inode | None, target_place: Place
    ) -> None:
        old = (source_place.directory, source_place.name)
        new = (target_place.directory, target_place.name)
        if target is not None:
            self._unname(*new, target, quiet=True)
        self._leave(*old, source)
        self._enter(self._directory(new[0]), new[1], source)
        self._moved(source, old, new)

    def _exchange(self, one: Inode, one_place: Place, two: Inode, two_place: Place) -> None:
        first = (one_place.directory, one_place.name)
        second = (two_place.directory, two_place.name)
        self._leave(*first, one)
        self._leave(*second, two)
        self._enter(self._directory(second[0]), second[1], one)
        self._enter(self._directory(first[0]), first[1], two)
        self._moved(one, first, second)
        self._moved(two, second, first)

    def _moved(self, inode: Inode, old: Spot, new: Spot) -> None:
        self.edit(inode).ctime_ns = self.now_ns()
        for handle in self._handles.get(inode.number, ()):
            if handle.spot == old:
                handle.spot = new
        self.watches.moved(inode.number, old, new, directory=isinstance(inode, Directory))

    # Changing.

    def chmod(self, path: str, mode: int, *, base: int = ROOT) -> None:
        """Set the permission bits; `chmod(2)`."""
        inode, spot = self._found(path, base)
        inode.mode = stat.S_IFMT(inode.mode) | mode & _PERMISSIONS
        self._attributes_changed(inode, spot)

    def chown(
        self, path: str, uid: int, gid: int, *, base: int = ROOT, follow: bool = True
    ) -> None:
        """Set the owner, -1 to leave a part; `chown(2)`, which takes set-id bits off files."""
        inode, spot = self._found(path, base, follow=follow)
        inode.uid = inode.uid if uid == -1 else uid
        inode.gid = inode.gid if gid == -1 else gid
        if isinstance(inode, Regular):
            inode.mode &= ~stat.S_ISUID
            if inode.mode & stat.S_IXGRP:
                inode.mode &= ~stat.S_ISGID
        self._attributes_changed(inode, spot)

    def utime(
        self, path: str, atime_ns: int, mtime_ns: int, *, base: int = ROOT, follow: bool = True
    ) -> None:
        """Set the times; `utimensat(2)`."""
        inode, spot = self._found(path, base, follow=follow)
        inode.atime_ns, inode.mtime_ns = atime_ns, mtime_ns
        self._attributes_changed(inode, spot)

    def truncate(self, path: str, size: int, *, base: int = ROOT) -> None:
        """Cut or extend a file; `truncate(2)`."""
        if size < 0:
            fail(errno.EINVAL, path)
        walk = Walk(self._table, path, base)
        inode = walk.lookup()
        if not isinstance(inode, Regular):
            fail(errno.EISDIR if isinstance(inode, Directory) else errno.EINVAL, path)
        self.resize(inode, size, walk.spot)

    def write(self, inode: Regular, offset: int, data: bytes, spot: Spot | None) -> None:
        """Put bytes into a file that has been found.

        Raises:
            OSError: `EFBIG`, beyond what a file may hold; `ENOSPC`, the disk is full.
        """
        if offset + len(data) > MAX_SIZE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if self._used + len(data) > self._disk:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if data:
            inode = self.edit(inode)
            self._used += inode.content.write(offset, data)
            inode.touch(self.now_ns())
            self.watches.emit(What.MODIFY, inode.number, spot)

    def resize(self, inode: Regular, size: int, spot: Spot | None) -> None:
        """Cut or extend a file that has been found."""
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
        self.watches.emit(What.MODIFY, inode.number, spot)

    def _found(self, path: str, base: int, *, follow: bool = True) -> tuple[Inode, Spot | None]:
        walk = Walk(self._table, path, base)
        return self.edit(walk.lookup(follow=follow)), walk.spot

    def _attributes_changed(self, inode: Inode, spot: Spot | None) -> None:
        inode.ctime_ns = self.now_ns()
        self.watches.emit(What.ATTRIB, inode.number, spot, directory=isinstance(inode, Directory))

    # Inodes and names.

    def edit(self, inode: I) -> I:
        """The same inode, made safe to change: copied if a snapshot shares it."""
        if inode.owner is self._table.identity:
            return inode
        mine = inode.copy()
        self._put(mine)
        return mine  # type: ignore[return-value]

    def _put(self, inode: Inode) -> None:
        inode.owner = self._table.identity
        self._table.put(inode.number, inode)

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _directory(self, number: int) -> Directory:
        inode = self._table.get(number)
        assert isinstance(inode, Directory)
        return inode

    def _alive(self, number: int, path: str) -> Directory:
        """A directory that names can be made in: one that was not removed."""
        directory = self._directory(number)
        return directory if directory.links else fail(errno.ENOENT, path)

    def _vacant(self, path: str, base: int, *, directory: bool = False) -> Place:
        """Where a new name is to be; the kernel's filename_create()."""
        walk = Walk(self._table, path, base)
        place = walk.parent()
        if place.special or walk.child(place.directory, place.name) is not None:
            walk.fail(errno.EEXIST)
        if place.slash and not directory:
            walk.fail(errno.ENOENT)
        return place

    def _create(self, path: str, place: Place, inode: Inode) -> int:
        directory = self._alive(place.directory, path)
        inode.mtime_ns = inode.atime_ns = inode.ctime_ns = self.now_ns()
        if directory.mode & stat.S_ISGID:
            inode.gid = directory.gid
            inode.mode |= stat.S_ISGID if isinstance(inode, Directory) else 0
        self._put(inode)
        self._enter(directory, place.name, inode)
        self.watches.emit(
            What.CREATE,
            inode.number,
            (place.directory, place.name),
            directory=isinstance(inode, Directory),
        )
        return inode.number

    def _enter(self, directory: Directory, name: str, inode: Inode) -> None:
        directory = self.edit(directory)
        directory.names[name] = inode.number
        if isinstance(inode, Directory):
            directory.links += 1
            inode = self.edit(inode)
            inode.parent, inode.name = directory.number, name
        directory.touch(self.now_ns())

    def _leave(self, number: int, name: str, inode: Inode) -> None:
        directory = self.edit(self._directory(number))
        del directory.names[name]
        if isinstance(inode, Directory):
            directory.links -= 1
        directory.touch(self.now_ns())

    def _unname(self, number: int, name: str, inode: Inode, *, quiet: bool = False) -> None:
        self._leave(number, name, inode)
        directory = isinstance(inode, Directory)
        inode = self.edit(inode)
        inode.links = 0 if directory else inode.links - 1
        inode.ctime_ns = self.now_ns()
        if not quiet:
            self.watches.emit(What.ATTRIB, inode.number, None)
            last = None if inode.links else inode.number
            self.watches.emit(What.DELETE, last, (number, name), directory=directory)
        if inode.links == 0 and inode.number not in self._handles:
            self._forget(inode)

    def _forget(self, inode: Inode) -> None:
        self._table.put(inode.number, None)
        if isinstance(inode, Regular):
            self._used -= inode.content.allocated

    def _spot_of(self, number: int) -> Spot | None:
        directory = self._table.get(number)
        if number == ROOT or not isinstance(directory, Directory) or not directory.links:
            return None
        return directory.parent, directory.name
