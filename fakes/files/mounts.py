"""Disks, put together to one tree."""

import errno
import os
from collections.abc import Iterator
from dataclasses import field, replace
from typing import NewType

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .changes import Spot
from .disk import Disk, InodeHolder
from .inode import ROOT, Directory, Inode

#: A place in the tree: the number of a mount, and below it that of an inode on its disk.
Node = NewType("Node", int)

_BITS = 48
_INODE = (1 << _BITS) - 1
#: The root of the tree.
TOP = Node(ROOT)


@dataclass(eq=False)
class Mount:
    """A disk, shown somewhere in the tree.

    Attributes:
        number: each in one tree has another.
        disk: what is shown; trees may share it.
        at: the directory that it hides; `None` for what the tree begins with.
        read_only: whether nothing can be changed through it.
        permanent: whether it cannot be unmounted.
        top: the number of the directory on the disk that is shown with what is in it.
        handles: what is open through it, the working directories of processes among it.
    """

    number: int
    disk: Disk
    at: Node | None
    read_only: bool
    permanent: bool
    top: int = ROOT
    handles: dict[InodeHolder, None] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        """The top of what is shown, in the tree."""
        return self.node(self.top)

    def node(self, number: int) -> Node:
        """Where in the tree an inode of the disk is."""
        return Node(self.number << _BITS | number)


class _MountedTop:
    """Keeps the directory that a mount shows, though it may be removed from its disk.

    Args:
        mount: the mount, which is not undone before its tree is closed.
    """

    spot: Spot | None = None

    def __init__(self, mount: Mount) -> None:
        self.number = mount.top
        self._mount = mount
        mount.disk.opened(self)
        mount.handles[self] = None

    def close(self) -> None:
        """Let go of the directory."""
        if self in self._mount.handles:
            del self._mount.handles[self]
            self._mount.disk.released(self)


class Mounts:
    """The mounts of one tree.

    Args:
        disk: what the tree begins with.
    """

    def __init__(self, disk: Disk) -> None:
        self._mounts = {0: Mount(0, disk, None, read_only=False, permanent=True)}
        self._covers: dict[Node, Mount] = {}
        self._next_number = 1

    # Looking.

    def __iter__(self) -> Iterator[Mount]:
        """What was mounted, in that order."""
        return iter(self._covers.values())

    def of(self, node: Node) -> Mount:
        """The mount that a place is in."""
        return self._mounts[node >> _BITS]

    def get(self, node: Node) -> Inode | None:
        """The inode at a place."""
        return self._mounts[node >> _BITS].disk.get(node & _INODE)

    def directory(self, node: Node) -> Directory:
        """The directory at a place; one that is there."""
        inode = self.get(node)
        assert isinstance(inode, Directory)
        return inode

    def entry(self, directory: Node, name: str) -> Node | None:
        """A name in a directory, and not what is mounted there."""
        number = self.directory(directory).names.get(name)
        return None if number is None else Node(directory & ~_INODE | number)

    def cover(self, node: Node) -> Node:
        """What one finds at a place: the top of what was mounted there last, if anything was."""
        while node in self._covers:
            node = self._covers[node].root
        return node

    def above(self, directory: Node) -> Node:
        """What `..` means in a directory."""
        while (at := self._under(directory)) is not None:
            directory = at
        return self.cover(Node(directory & ~_INODE | self.directory(directory).parent))

    def path_of(self, directory: Node) -> str:
        """The absolute path of a directory.

        Raises:
            OSError: `ENOENT`, it was removed.
        """
        names: list[str] = []
        while directory != TOP:
            at = self._under(directory)
            if at is None:
                spot = self.of(directory).disk.spot_of(directory & _INODE)
                if spot is None:
                    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), "")
                at = Node(directory & ~_INODE | spot[0])
                names.append(spot[1])
            directory = at
        return "/" + "/".join(reversed(names))

    def _under(self, node: Node) -> Node | None:
        """What a place hides, if it is the top of a mount."""
        mount = self.of(node)
        return mount.at if node & _INODE == mount.top else None

    # Changing.

    def fork(self) -> "Mounts":
        """The same tree, with the same places; shared disks are shared by it too."""
        disks = {mount.disk: mount.disk.fork() for mount in self._mounts.values()}
        other = Mounts(disks[self._mounts[0].disk])
        for mount in self:
            twin = replace(mount, disk=disks[mount.disk], handles={})
            other._mounts[twin.number] = twin
            if mount.at is not None:
                other._covers[mount.at] = twin
            if twin.top != ROOT:
                _MountedTop(twin)
        other._next_number = self._next_number
        return other

    def close(self) -> None:
        """Close everything that is open."""
        for mount in self._mounts.values():
            for handle in list(mount.handles):
                handle.close()

    def is_covered(self, node: Node) -> bool:
        """Whether something is mounted on a directory, by whatever way one gets to it."""
        disk = self.of(node).disk
        return any(at & _INODE == node & _INODE and self.of(at).disk is disk for at in self._covers)

    def add(
        self, disk: Disk, at: Node, *, read_only: bool, permanent: bool, top: int = ROOT
    ) -> None:
        """Show a disk, or a directory on it, at a place."""
        mount = Mount(self._next_number, disk, at, read_only, permanent, top)
        if top != ROOT:
            _MountedTop(mount)
        self._next_number += 1
        self._mounts[mount.number] = mount
        self._covers[at] = mount

    def remove(self, node: Node) -> None:
        """Undo the mount whose top is at a place.

        Raises:
            OSError: `EINVAL`, it is the top of none that can be undone; `EBUSY`, it is in use.
        """
        mount = self.of(node)
        if node != mount.root or mount.permanent or mount.at is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if mount.handles or any(self.of(at) is mount for at in self._covers):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        del self._mounts[mount.number]
        del self._covers[mount.at]
