"""Walking over directory trees that lie one on another, as overlayfs merges them.

However deep they are, with one descriptor for each and no recursion. Nothing may change below
meanwhile: nobody else has the trees, or all who have were stopped.
"""

from __future__ import annotations

import os

from . import _attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._attributes import Attributes

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Visitor:
    """What is told of a walk, in this order: all of a directory between `enter` and `leave`."""

    def enter(self, name: str) -> None:
        """A directory in the current one, which it becomes."""

    def leave(self, attributes: Attributes) -> None:
        """The current directory has no more; the one that it is in is current again."""

    def item(self, name: str, path: str, info: os.stat_result) -> None:
        """Anything but a directory, in the current one; `path` is good until this returns."""


def open_folder(name: str, folder: int | None = None) -> int:
    """Open a directory, for reading."""
    return os.open(name, _FOLDER, dir_fd=folder)


def walk(roots: list[int], visitor: Visitor, *, skip: frozenset[str] = frozenset()) -> None:
    """Tell of all that trees hold, and at last, that they were left.

    Args:
        roots: descriptors of the trees' directories, the topmost first; owned.
        visitor: is told.
        skip: names in the roots to leave out.
    """
    fds = roots.copy()
    try:
        _Walk(fds, visitor).run(skip)
    finally:
        for fd in fds:
            os.close(fd)


class _Folder:
    """A directory to walk over.

    Attributes:
        name: in the one that it is in.
        trees: indices of those that have it, the topmost first.
        closed: whether what is below these trees does not show in it.
        hides: whether that must be noted, because something was in between.
    """

    def __init__(self, name: str, tree: int) -> None:
        self.name = name
        self.trees = [tree]
        self.closed = self.hides = False


class _Level:
    """A directory that is open."""

    def __init__(self, folder: _Folder, device: int) -> None:
        self.trees = folder.trees
        self.hides = folder.hides
        self.device = device
        self.pending: list[_Folder] = []


class _Walk:
    def __init__(self, fds: list[int], visitor: Visitor) -> None:
        self._fds = fds
        self._visitor = visitor

    def run(self, skip: frozenset[str]) -> None:
        root = _Folder("", 0)
        root.trees = list(range(len(self._fds)))
        levels = [self._open(root, None)]
        levels[0].pending = [one for one in levels[0].pending if one.name not in skip]
        while levels:
            level = levels[-1]
            if level.pending:
                folder = level.pending.pop()
                self._move(folder.trees, folder.name)
                self._visitor.enter(folder.name)
                levels.append(self._open(folder, level.device))
                continue
            attributes = _attributes.of(self._fds[level.trees[0]])
            if level.hides:
                attributes.extended[_attributes.OPAQUE] = b"y"
            self._visitor.leave(attributes)
            levels.pop()
            if levels:
                self._move(level.trees, "..")

    def _open(self, folder: _Folder, above: int | None) -> _Level:
        """Tell of the items of a directory; those that it holds in turn are then pending."""
        fd = self._fds[folder.trees[0]]
        level = _Level(folder, os.fstat(fd).st_dev)
        if above not in (None, level.device) and not os.fstatvfs(fd).f_blocks:
            return level  # a file system of the kernel's own, /proc say
        found: dict[str, _Folder | None] = {}
        for tree in level.trees:
            with os.scandir(self._fds[tree]) as entries:
                names = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
            for name, is_folder in names:
                if name not in found:
                    found[name] = _Folder(name, tree) if is_folder else None
                    if not is_folder:
                        self._tell(name, tree)
                elif (one := found[name]) is not None and not one.closed:
                    one.closed = one.hides = not is_folder
                    if is_folder:
                        one.trees.append(tree)
                if len(level.trees) > 1 and (one := found[name]) is not None:
                    one.closed = one.closed or self._is_opaque(name, tree)
        level.pending = [one for one in found.values() if one is not None][::-1]
        return level

    def _tell(self, name: str, tree: int) -> None:
        path = f"/proc/self/fd/{self._fds[tree]}/{name}"
        self._visitor.item(name, path, os.lstat(path))

    def _is_opaque(self, name: str, tree: int) -> bool:
        path = f"/proc/self/fd/{self._fds[tree]}/{name}"
        return _attributes.OPAQUE in os.listxattr(path, follow_symlinks=False)

    def _move(self, trees: list[int], name: str) -> None:
        for tree in trees:
            fd = open_folder(name, self._fds[tree])
            os.close(self._fds[tree])
            self._fds[tree] = fd
