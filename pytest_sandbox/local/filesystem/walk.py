"""Walking over directory trees that lie one on another, as overlayfs merges them.

However deep they are, with one descriptor for each and no recursion. Nothing may change below
meanwhile: nobody else has the trees, or all who have were stopped.
"""

from __future__ import annotations

import os
import stat

from . import file_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .file_attributes import Attributes

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


def walk(
    roots: list[int],
    visitor: Visitor,
    *,
    skip: frozenset[str] = frozenset(),
    merge: bool = False,
) -> None:
    """Tell of all that trees hold, and at last, that they were left.

    Args:
        roots: descriptors of the trees' directories, the topmost first; owned.
        visitor: is told.
        skip: names in the roots to leave out.
        merge: whether these are layers, to be told of as one.
    """
    fds = roots.copy()
    try:
        _Walk(fds, visitor, merge=merge).run(skip)
    finally:
        for fd in fds:
            os.close(fd)


class _Folder:
    """A directory to walk over.

    Attributes:
        name: in the one that it is in.
        trees: indices of those that have it, the topmost first.
        closed: whether nothing below these trees shows in it.
    """

    def __init__(self, name: str, trees: list[int]) -> None:
        self.name = name
        self.trees = trees
        self.closed = False


class _Level:
    """A directory that is open.

    Attributes:
        folder: which.
        device: of the topmost tree's.
        bare: whether there is nothing below the trees that could show in it.
        pending: directories in it that were not walked over yet.
    """

    def __init__(self, folder: _Folder, device: int, above: _Level | None) -> None:
        self.folder = folder
        self.device = device
        self.bare: bool = folder.closed or (above is not None and above.bare)
        self.pending: list[_Folder] = []


class _Walk:
    def __init__(self, fds: list[int], visitor: Visitor, *, merge: bool) -> None:
        self._merge = merge
        self._fds = fds
        self._visitor = visitor

    def run(self, skip: frozenset[str]) -> None:
        levels = [self._open(_Folder("", list(range(len(self._fds)))), None)]
        levels[0].pending = [one for one in levels[0].pending if one.name not in skip]
        while levels:
            level = levels[-1]
            if level.pending:
                folder = level.pending.pop()
                self._move(folder.trees, folder.name)
                self._visitor.enter(folder.name)
                levels.append(self._open(folder, level))
                continue
            attributes = file_attributes.of(self._fds[level.folder.trees[0]])
            if level.folder.closed:
                attributes.extended[file_attributes.OPAQUE] = b"y"
            self._visitor.leave(attributes)
            levels.pop()
            if levels:
                self._move(level.folder.trees, "..")

    def _open(self, folder: _Folder, above: _Level | None) -> _Level:
        """Tell of the items of a directory; those that it holds in turn are then pending."""
        fd = self._fds[folder.trees[0]]
        level = _Level(folder, os.fstat(fd).st_dev, above)
        mounted = above is not None and above.device != level.device
        if mounted and not os.fstatvfs(fd).f_blocks:
            return level  # a file system of the kernel's own, /proc say
        found: dict[str, _Folder | None] = {}
        for tree in folder.trees:
            with os.scandir(self._fds[tree]) as entries:
                names = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
            for name, is_folder in names:
                self._find(found, name, tree, is_folder, level.bare)
        level.pending = [one for one in found.values() if one is not None][::-1]
        return level

    def _find(
        self,
        found: dict[str, _Folder | None],
        name: str,
        tree: int,
        is_folder: bool,
        bare: bool,
    ) -> None:
        """A tree has a name in the directory that is open; what it is in an upper one counts."""
        if name not in found:
            one = found[name] = _Folder(name, [tree]) if is_folder else None
            if one is None:
                self._tell(name, tree, bare)
        else:
            one = found[name]
            if one is None or one.closed:
                return
            if is_folder:
                one.trees.append(tree)
            else:
                one.closed = True
        if one is not None and self._merge:
            one.closed = one.closed or self._is_opaque(name, tree)

    def _tell(self, name: str, tree: int, bare: bool) -> None:
        path = f"/proc/self/fd/{self._fds[tree]}/{name}"
        info = os.lstat(path)
        # Where nothing can be hidden, overlayfs would list what hides it.
        if not (self._merge and bare and _is_whiteout(info)):
            self._visitor.item(name, path, info)

    def _is_opaque(self, name: str, tree: int) -> bool:
        path = f"/proc/self/fd/{self._fds[tree]}/{name}"
        return file_attributes.OPAQUE in os.listxattr(path, follow_symlinks=False)

    def _move(self, trees: list[int], name: str) -> None:
        for tree in trees:
            fd = open_folder(name, self._fds[tree])
            os.close(self._fds[tree])
            self._fds[tree] = fd


def _is_whiteout(info: os.stat_result) -> bool:
    """Whether a file hides a name of what is below: overlayfs's document, "whiteouts"."""
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
