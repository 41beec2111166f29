"""From a path to a place in the tree, as path_resolution(7) and the kernel's fs/namei.c do it."""

import errno
import os
from dataclasses import replace
from typing import NoReturn

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .inode import Directory, Symlink
from .mounts import TOP, Mounts, Node

NAME_MAX = 255
PATH_MAX = 4096
#: Symbolic links followed in one walk, counted over all of them.
MAX_LINKS = 40


def fail(number: int, path: str, second: str | None = None) -> NoReturn:
    """Raise the `OSError` that the kernel would make of this errno."""
    if second is None:
        raise OSError(number, os.strerror(number), path)
    raise OSError(number, os.strerror(number), path, None, second)


@dataclass(frozen=True)
class LastComponent:
    """Where a path points, its last component not yet looked at.

    Attributes:
        directory: the directory above the last component.
        name: the last component; empty for the root, and it may be `.` or `..`.
        slash: whether the path ended with a slash, and so must mean a directory.
    """

    directory: Node
    name: str
    slash: bool

    @property
    def special(self) -> bool:
        """Whether the last component can be neither made nor removed."""
        return self.name in ("", ".", "..")


class Walk:
    """One system call's worth of path resolution; links are counted over all of it.

    Args:
        mounts: the tree.
        path: the path as the caller gave it, shown in errors.
        base: the directory that relative paths start from.
    """

    def __init__(self, mounts: Mounts, path: str, base: Node = TOP) -> None:
        self._mounts = mounts
        self._path = path
        self._base = base
        self._links = 0
        #: The place that the last component was found at.
        self.place: LastComponent | None = None

    def parent(self) -> LastComponent:
        """Walk all but the last component."""
        return self._parent(self._path, self._base)

    def lookup(self, *, follow: bool = True) -> Node:
        """Walk the whole path; a link at the end is followed if `follow` or by a slash after it."""
        node = self.last(self.parent(), follow=follow)
        return node if node is not None else self.fail(errno.ENOENT)

    def last(self, place: LastComponent, *, follow: bool) -> Node | None:
        """What the last component means, or `None` if there is no such name."""
        node = self.child(place.directory, place.name)
        self.place = place
        if node is None:
            return None
        inode = self._mounts.get(node)
        if isinstance(inode, Symlink) and (follow or place.slash):
            node = self.last(self.through(inode, place.directory), follow=True)
            inode = None if node is None else self._mounts.get(node)
        if inode is not None and place.slash and not isinstance(inode, Directory):
            self.fail(errno.ENOTDIR)
        return node

    def through(self, link: Symlink, directory: Node, *, slash: bool = False) -> LastComponent:
        """Where a symbolic link in `directory` points; with `slash`, to a directory.

        Raises:
            OSError: `ELOOP`, this walk went through too many.
        """
        self._links += 1
        if self._links > MAX_LINKS:
            self.fail(errno.ELOOP)
        place = self._parent(link.target, directory)
        return replace(place, slash=place.slash or slash)

    def child(self, directory: Node, name: str) -> Node | None:
        """One name in a directory, and what is mounted there; links are not followed."""
        if name == "":
            return TOP
        if name == ".":
            return directory
        if name == "..":
            return self._mounts.above(directory)
        node = self.entry(directory, name)
        return None if node is None else self._mounts.cover(node)

    def entry(self, directory: Node, name: str) -> Node | None:
        """One ordinary name in a directory, and not what is mounted there."""
        if len(name) > NAME_MAX // 4 and len(os.fsencode(name)) > NAME_MAX:
            self.fail(errno.ENAMETOOLONG)
        return self._mounts.entry(directory, name)

    def fail(self, number: int) -> NoReturn:
        """Raise an error that names the path this walk began with."""
        fail(number, self._path)

    def _parent(self, path: str, directory: Node) -> LastComponent:
        if "\0" in path:
            self.fail(errno.EINVAL)
        if not path:
            self.fail(errno.ENOENT)
        if len(path) >= PATH_MAX // 4 and len(os.fsencode(path)) >= PATH_MAX:
            self.fail(errno.ENAMETOOLONG)
        if path.startswith("/"):
            directory = TOP
        names = [name for name in path.split("/") if name]
        for name in names[:-1]:
            directory = self._enter(directory, name)
        return LastComponent(directory, names[-1] if names else "", path.endswith("/"))

    def _enter(self, directory: Node, name: str) -> Node:
        node = self.child(directory, name)
        inode = None if node is None else self._mounts.get(node)
        if isinstance(inode, Symlink):
            node = self.last(self.through(inode, directory), follow=True)
            inode = None if node is None else self._mounts.get(node)
        if node is None:
            self.fail(errno.ENOENT)
        if not isinstance(inode, Directory):
            self.fail(errno.ENOTDIR)
        return node
