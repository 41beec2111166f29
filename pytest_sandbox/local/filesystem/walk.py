"""Walking over a directory tree, or over layers as if they were merged.

However deep a tree is, a walk needs one descriptor for each layer and no recursion: a hostile
program may nest directories deeper than either allows, or than PATH_MAX. Nothing may change
meanwhile: no other process has the trees, or all that have were stopped.
"""

from __future__ import annotations

import os

from ..kernel import file_attributes, overlayfs
from .merged_directory import MergedDirectory, Subdirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.file_attributes import Attributes

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Visitor:
    """Is called for all that a walk finds; what a directory holds between `enter` and `leave`."""

    def enter(self, name: str) -> None:
        """A directory in the current one, which it becomes."""

    def leave(self, attributes: Attributes) -> None:
        """The current directory has no more; the one that it is in is current again."""

    def item(self, name: str, folder: int, info: os.stat_result) -> None:
        """Anything but a directory, in the current one, of which `folder` is a descriptor."""


def open_folder(name: str, folder: int | None = None) -> int:
    """Open a directory, which may not be a link, for reading."""
    return os.open(name, _FOLDER, dir_fd=folder)


def walk(
    roots: list[int],
    visitor: Visitor,
    *,
    skip: frozenset[str] = frozenset(),
    merge: bool = False,
) -> None:
    """Call a visitor for all that trees hold, and at last `leave` for their root.

    Args:
        roots: descriptors of the trees' directories, the topmost first; owned.
        visitor: is called.
        skip: names in the roots to leave out.
        merge: whether the trees are layers.

    Raises:
        OSError: what the kernel said.
    """
    fds = roots.copy()
    try:
        _Walk(fds, visitor, merge=merge).run(skip)
    finally:
        for fd in fds:
            os.close(fd)


class _Level:
    """A directory between the root and where the walk is.

    Attributes:
        directory: which.
        device: `st_dev` of it in the topmost tree.
        on_top: whether there may be something below the trees that shows in it.
        pending: directories in it that were not walked over yet, the next one last.
    """

    def __init__(self, directory: Subdirectory, device: int, above: _Level | None) -> None:
        self.directory = directory
        self.device = device
        self.on_top: bool = not directory.opaque and (above is None or above.on_top)
        self.pending: list[Subdirectory] = []


class _Walk:
    def __init__(self, fds: list[int], visitor: Visitor, *, merge: bool) -> None:
        self._merge = merge
        self._fds = fds
        self._visitor = visitor

    def run(self, skip: frozenset[str]) -> None:
        levels = [self._open(Subdirectory("", list(range(len(self._fds)))), None)]
        levels[0].pending = [one for one in levels[0].pending if one.name not in skip]
        while levels:
            level = levels[-1]
            if level.pending:
                directory = level.pending.pop()
                self._move(directory.trees, directory.name)
                self._visitor.enter(directory.name)
                levels.append(self._open(directory, level))
                continue
            self._leave(level.directory)
            levels.pop()
            if levels:
                # Safe, since nothing moves directories meanwhile.
                self._move(level.directory.trees, "..")

    def _leave(self, directory: Subdirectory) -> None:
        attributes = file_attributes.read(self._fds[directory.trees[0]])
        if directory.opaque:
            # The topmost tree may not say so itself, if it was one below it that is.
            attributes.extended[overlayfs.OPAQUE] = b"y"
        self._visitor.leave(attributes)

    def _open(self, directory: Subdirectory, above: _Level | None) -> _Level:
        """Visit the items of a directory; its subdirectories are then pending."""
        fd = self._fds[directory.trees[0]]
        level = _Level(directory, os.fstat(fd).st_dev, above)
        # Another st_dev than the directory above means a mount: stat(2).
        mounted = above is not None and above.device != level.device
        if mounted and not os.fstatvfs(fd).f_blocks:
            return level  # what the kernel shows, as /proc, is no part of a copy
        merged = MergedDirectory(merge=self._merge, on_top=level.on_top, on_item=self._visitor.item)
        for tree in directory.trees:
            merged.add(tree, self._fds[tree])
        level.pending = merged.subdirectories()[::-1]
        return level

    def _move(self, trees: list[int], name: str) -> None:
        for tree in trees:
            fd = open_folder(name, self._fds[tree])
            os.close(self._fds[tree])
            self._fds[tree] = fd
