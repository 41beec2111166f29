"""A filesystem in memory that answers as Linux does to its root user.

One method per system call. `base` is the directory that a relative path starts from. Errors
are `OSError` with the errno of the kernel. Modes never keep root out, as `CAP_DAC_OVERRIDE`
has it, except that executing needs one execute bit.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from .changes import ChangeKind, Spot, Watching
from .disk import Disk
from .handle import Handle
from .inode import ROOT, Device, Directory, Inode, Regular, Symlink
from .mounts import TOP, Mount, Mounts, Node
from .rename import rename
from .walk import PATH_MAX, LastComponent, Walk, fail

_PERMISSIONS = 0o7777


class Filesystem:
    """The tree of files that a sandbox sees.

    Args:
        disk: what it begins with.
        mounts: what is mounted on it already.
    """

    def __init__(self, disk: Disk, mounts: Mounts | None = None) -> None:
        self.disk = disk
        self.mounts = mounts or Mounts(disk)

    def fork(self) -> "Filesystem":
        """A tree that is the same and goes its own way, but for disks that are shared."""
        mounts = self.mounts.fork()
        return Filesystem(mounts.of(TOP).disk, mounts)

    # Looking.

    def node(self, path: str, *, base: Node = TOP, follow: bool = True) -> Node:
        """The place that a path means, with links followed to the end if `follow`."""
        return Walk(self.mounts, path, base).lookup(follow=follow)

    def folder(self, path: str, *, base: Node = TOP) -> Node:
        """The place of the directory that a path means; `chdir(2)`."""
        node = self.node(path, base=base)
        return node if isinstance(self.mounts.get(node), Directory) else fail(errno.ENOTDIR, path)

    def inode(self, node: Node) -> Inode:
        """What is at a place.

        Raises:
            OSError: `ENOENT`, it is gone.
        """
        found = self.mounts.get(node)
        return found if found is not None else fail(errno.ENOENT, f"inode {node}")

    def lookup(self, path: str, *, base: Node = TOP, follow: bool = True) -> Inode:
        """The inode that a path means; `stat(2)`, and `lstat(2)` without `follow`."""
        return self.inode(self.node(path, base=base, follow=follow))

    def child(self, directory: Node, name: str) -> Node:
        """The place of a name in a directory, or of what is mounted there."""
        node = Walk(self.mounts, name, directory).child(directory, name)
        return node if node is not None else fail(errno.ENOENT, name)

    def names(self, directory: Node) -> list[str]:
        """What a directory holds, sorted; `readdir(3)`."""
        return sorted(self.mounts.directory(directory).names)

    def readlink(self, path: str, *, base: Node = TOP) -> str:
        """The text of a symbolic link; `readlink(2)`."""
        inode = self.lookup(path, base=base, follow=False)
        return inode.target if isinstance(inode, Symlink) else fail(errno.EINVAL, path)

    def path_of(self, directory: Node) -> str:
        """The absolute path of a directory; `getcwd(2)`.

        Raises:
            OSError: `ENOENT`, it was removed.
        """
        return self.mounts.path_of(directory)

    # Opening.

    def open(self, path: str, flags: int, mode: int = 0o666, *, base: Node = TOP) -> Handle:
        """Open, and perhaps make, a file; `open(2)`."""
        if flags & os.O_CREAT and flags & os.O_DIRECTORY:
            fail(errno.EINVAL, path)
        walk = Walk(self.mounts, path, base)
        place = walk.parent()
        node = self._openable(walk, place, flags)
        while node is not None and isinstance(link := self.mounts.get(node), Symlink):
            place = walk.through(link, place.directory, slash=place.slash)
            node = self._openable(walk, place, flags)
        if node is None:
            node = self._create(path, place, lambda n: Regular(n, mode & _PERMISSIONS, 0))
        else:
            self._check_open(node, path, flags, self._spot(place, node))
        spot, inode = self._spot(place, node), self.inode(node)
        mount = self.mounts.of(node)
        mount.disk.watches.emit(
            ChangeKind.OPEN, inode.number, spot, directory=isinstance(inode, Directory)
        )
        return Handle(mount, inode.number, spot, flags)

    def _openable(self, walk: Walk, place: LastComponent, flags: int) -> Node | None:
        """The last component for `open`: a link is returned only if it is to be followed."""
        exclusive = flags & os.O_CREAT and flags & os.O_EXCL
        if flags & os.O_CREAT and place.slash and not place.special:
            walk.fail(errno.EISDIR)
        node = walk.child(place.directory, place.name)
        if node is None:
            return None if flags & os.O_CREAT else walk.fail(errno.ENOENT)
        if exclusive:
            walk.fail(errno.EEXIST)
        inode = self.mounts.get(node)
        if isinstance(inode, Symlink):
            if flags & os.O_NOFOLLOW and not place.slash:
                walk.fail(errno.ENOTDIR if flags & os.O_DIRECTORY else errno.ELOOP)
            return node
        if place.slash and not isinstance(inode, Directory):
            walk.fail(errno.ENOTDIR)
        return node

    def _check_open(self, node: Node, path: str, flags: int, spot: Spot | None) -> None:
        inode = self.inode(node)
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        if isinstance(inode, Directory):
            if writing or flags & (os.O_CREAT | os.O_TRUNC):
                fail(errno.EISDIR, path)
            return
        if flags & os.O_DIRECTORY:
            fail(errno.ENOTDIR, path)
        if (writing or flags & os.O_TRUNC) and not isinstance(inode, Device):
            self._check_writable(node, path)
        if isinstance(inode, Regular) and flags & os.O_TRUNC:
            self.mounts.of(node).disk.resize(inode, 0, spot)

    def hold(self, directory: Node) -> Handle:
        """Keep a directory alive though it may lose its name, as a working directory is."""
        return Handle(self.mounts.of(directory), self.inode(directory).number, None, os.O_PATH)

    # Making.

    def mkdir(self, path: str, mode: int = 0o777, *, base: Node = TOP) -> None:
        """Make a directory; `mkdir(2)`."""
        place = self._vacant(path, base, directory=True)
        parent = self.inode(place.directory).number
        self._create(path, place, lambda n: Directory(n, mode & 0o1777, 0, parent))

    def symlink(self, target: str, path: str, *, base: Node = TOP) -> None:
        """Make a symbolic link at `path`; `symlink(2)`."""
        if not target:
            fail(errno.ENOENT, target, path)
        if len(os.fsencode(target)) >= PATH_MAX:
            fail(errno.ENAMETOOLONG, target, path)
        self._create(path, self._vacant(path, base), lambda n: Symlink(n, 0, target))

    def mknod(self, path: str, device: str, mode: int = 0o666) -> None:
        """Make a character device that behaves as the one called `device`; `mknod(2)`."""
        self._create(path, self._vacant(path, TOP), lambda n: Device(n, mode, 0, device))

    def link(
        self,
        source: str,
        path: str,
        *,
        base: Node = TOP,
        path_base: Node | None = None,
        follow: bool = False,
    ) -> None:
        """Give a file a second name; `linkat(2)`.

        Args:
            source: the file.
            path: the name.
            base: where relative paths begin.
            path_base: where `path` begins, if that is another directory.
            follow: if `source` is a symbolic link, name what it leads to.
        """
        node = self.node(source, base=base, follow=follow)
        place = self._vacant(path, base if path_base is None else path_base)
        mount, inode = self.mounts.of(node), self.inode(node)
        self._check_writable(place.directory, path)
        if mount is not self.mounts.of(place.directory):
            fail(errno.EXDEV, source, path)
        if isinstance(inode, Directory):
            fail(errno.EPERM, source, path)
        self._check_alive(place.directory, path)
        mount.disk.link(inode, self._spot_at(place))

    def _vacant(self, path: str, base: Node, *, directory: bool = False) -> LastComponent:
        """Where a new name is to be; the kernel's filename_create()."""
        walk = Walk(self.mounts, path, base)
        place = walk.parent()
        if place.special or walk.entry(place.directory, place.name) is not None:
            walk.fail(errno.EEXIST)
        if place.slash and not directory:
            walk.fail(errno.ENOENT)
        return place

    def _create(self, path: str, place: LastComponent, make: Callable[[int], Inode]) -> Node:
        self._check_writable(place.directory, path)
        self._check_alive(place.directory, path)
        mount = self.mounts.of(place.directory)
        inode = make(mount.disk.new_number())
        mount.disk.create(self._spot_at(place), inode)
        return mount.node(inode.number)

    # Removing and renaming.

    def rmdir(self, path: str, *, base: Node = TOP) -> None:
        """Remove an empty directory; `rmdir(2)`."""
        walk = Walk(self.mounts, path, base)
        place = walk.parent()
        if place.special:
            walk.fail({"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}[place.name])
        node = self._removable(walk, place, path)
        inode = self.inode(node)
        if not isinstance(inode, Directory):
            walk.fail(errno.ENOTDIR)
        if self.mounts.is_covered(node):
            walk.fail(errno.EBUSY)
        if inode.names:
            walk.fail(errno.ENOTEMPTY)
        self.mounts.of(node).disk.unlink(self._spot_at(place), inode)

    def unlink(self, path: str, *, base: Node = TOP) -> None:
        """Remove a name of a file; `unlink(2)`."""
        walk = Walk(self.mounts, path, base)
        place = walk.parent()
        if place.special:
            walk.fail(errno.EISDIR)
        node = self._removable(walk, place, path)
        inode = self.inode(node)
        if isinstance(inode, Directory):
            walk.fail(errno.EISDIR)
        if place.slash:
            walk.fail(errno.ENOTDIR)
        if isinstance(inode, Device):  # on the local engine, a mount of one of this machine's
            walk.fail(errno.EBUSY)
        self.mounts.of(node).disk.unlink(self._spot_at(place), inode)

    def _removable(self, walk: Walk, place: LastComponent, path: str) -> Node:
        self._check_writable(place.directory, path)
        node = walk.entry(place.directory, place.name)
        return node if node is not None else walk.fail(errno.ENOENT)

    def rename(self, old: str, new: str, *, base: Node = TOP, flags: int = 0) -> None:
        """Move a name over another; `renameat2(2)`."""
        rename(self.mounts, old, new, base, flags)

    # Mounting.

    def mount(
        self,
        path: str,
        disk: Disk,
        *,
        read_only: bool = False,
        permanent: bool = False,
        top: int = ROOT,
    ) -> None:
        """Show a disk, or a directory on it, at a directory, over what is there; `mount(2)`."""
        self.mounts.add(disk, self.folder(path), read_only=read_only, permanent=permanent, top=top)

    def unmount(self, path: str) -> None:
        """Undo the last mount at a directory; `umount(2)`."""
        try:
            self.mounts.remove(self.node(path))
        except OSError as error:
            fail(error.errno or errno.EIO, path)

    def mounted(self) -> Iterator[tuple[str, Mount]]:
        """What is mounted and can be seen, each with its path, in the order it came."""
        for mount in self.mounts:
            with suppress(OSError):  # its directory was removed, from another tree
                path = self.path_of(mount.root)
                if self.node(path) == mount.root:
                    yield path, mount

    # Changing.

    def chmod(self, path: str, mode: int, *, base: Node = TOP) -> None:
        """Set the permission bits; `chmod(2)`."""
        disk, inode, spot = self._editable(path, base)
        inode.mode = stat.S_IFMT(inode.mode) | mode & _PERMISSIONS
        _attributes_changed(disk, inode, spot)

    def chown(
        self, path: str, uid: int, gid: int, *, base: Node = TOP, follow: bool = True
    ) -> None:
        """Set the owner, -1 to leave a part; `chown(2)`, which takes set-id bits off files."""
        disk, inode, spot = self._editable(path, base, follow=follow)
        inode.uid = inode.uid if uid == -1 else uid
        inode.gid = inode.gid if gid == -1 else gid
        if isinstance(inode, Regular):
            inode.mode &= ~stat.S_ISUID
            if inode.mode & stat.S_IXGRP:
                inode.mode &= ~stat.S_ISGID
        _attributes_changed(disk, inode, spot)

    def utime(
        self, path: str, atime_ns: int, mtime_ns: int, *, base: Node = TOP, follow: bool = True
    ) -> None:
        """Set the times; `utimensat(2)`."""
        disk, inode, spot = self._editable(path, base, follow=follow)
        inode.atime_ns, inode.mtime_ns = atime_ns, mtime_ns
        _attributes_changed(disk, inode, spot)

    def truncate(self, path: str, size: int, *, base: Node = TOP) -> None:
        """Cut or extend a file; `truncate(2)`."""
        if size < 0:
            fail(errno.EINVAL, path)
        walk = Walk(self.mounts, path, base)
        node = walk.lookup()
        inode = self.inode(node)
        if not isinstance(inode, Regular):
            fail(errno.EISDIR if isinstance(inode, Directory) else errno.EINVAL, path)
        self._check_writable(node, path)
        self.mounts.of(node).disk.resize(inode, size, self._spot(walk.place, node))

    def _editable(
        self, path: str, base: Node, *, follow: bool = True
    ) -> tuple[Disk, Inode, Spot | None]:
        walk = Walk(self.mounts, path, base)
        node = walk.lookup(follow=follow)
        self._check_writable(node, path)
        disk = self.mounts.of(node).disk
        return disk, disk.edit(self.inode(node)), self._spot(walk.place, node)

    # Watching.

    def watch(self, path: str, *, recursive: bool, wake: Callable[[], None]) -> Watching:
        """Have changes queued; below a directory also those on what is mounted there."""
        watching = Watching(recursive=recursive, wake=wake)
        top = self.node(path)
        watching.begin(self.mounts.of(top).disk.watches, self.inode(top).number, path)
        if recursive and isinstance(self.inode(top), Directory):
            above = self.path_of(top).rstrip("/") + "/"
            for at, mount in self.mounted():
                if at.startswith(above):
                    below = f"{path.rstrip('/')}/{at[len(above) :]}"
                    watching.begin(mount.disk.watches, ROOT, below)
        return watching

    # Checking.

    def _check_writable(self, node: Node, path: str) -> None:
        if self.mounts.of(node).read_only:
            fail(errno.EROFS, path)

    def _check_alive(self, directory: Node, path: str) -> None:
        """Names can be made in a directory only if it was not removed."""
        if not self.inode(directory).links:
            fail(errno.ENOENT, path)

    def _spot_at(self, place: LastComponent) -> Spot:
        return self.inode(place.directory).number, place.name

    def _spot(self, place: LastComponent | None, node: Node) -> Spot | None:
        """By which name on its disk something was found, if by any."""
        if place is None or place.special:
            return None
        here = self.mounts.of(place.directory) is self.mounts.of(node)
        return self._spot_at(place) if here else None


def _attributes_changed(disk: Disk, inode: Inode, spot: Spot | None) -> None:
    inode.ctime_ns = disk.now_ns()
    disk.watches.emit(ChangeKind.ATTRIB, inode.number, spot, directory=isinstance(inode, Directory))
