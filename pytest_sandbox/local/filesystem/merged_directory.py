"""What one directory holds that several trees have, as overlayfs would merge it.

Documentation/filesystems/overlayfs.rst, "Merged directories" and "whiteouts and opaque
directories": of a name that several trees have, the topmost counts. Only directories on top of
directories are merged; a whiteout, or anything else, hides what is below it.
"""

from __future__ import annotations

import os

from ..kernel import overlayfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Subdirectory:
    """A directory that is in one or more trees.

    Attributes:
        name: in the directory that it is in.
        trees: indices of the trees that have it, the topmost first.
        opaque: whether nothing below these trees shows in it.
    """

    __slots__ = ("name", "opaque", "trees")

    def __init__(self, name: str, trees: list[int]) -> None:
        self.name = name
        self.trees = trees
        self.opaque = False


class MergedDirectory:
    """Collects what a directory holds, tree by tree, the topmost first.

    Args:
        merge: whether the trees are layers; else there is one, in which nothing means anything.
        on_top: whether there may be something below all the trees. A whiteout is of use only then;
            where nothing is below, overlayfs would show the whiteout itself.
        on_item: called with each name that is not a directory, a descriptor of the one that it is
            in, and its `lstat`.
    """

    def __init__(
        self,
        *,
        merge: bool,
        on_top: bool,
        on_item: Callable[[str, int, os.stat_result], None],
    ) -> None:
        self._merge = merge
        self._on_top = on_top
        self._on_item = on_item
        self._found: dict[str, Subdirectory | None] = {}  # None for what is not a directory

    def add(self, tree: int, fd: int) -> None:
        """Add what a tree has.

        Args:
            tree: its index.
            fd: its directory.
        """
        with os.scandir(fd) as entries:
            found = sorted(entries, key=_name)
        for entry in found:
            # For most of them, this is all there is to it.
            if self._merge or entry.is_dir(follow_symlinks=False):
                self._add(entry, tree, fd)
            else:
                self._on_item(entry.name, fd, entry.stat(follow_symlinks=False))

    def subdirectories(self) -> list[Subdirectory]:
        """The directories in it, in the order in which they were found."""
        return [one for one in self._found.values() if one is not None]

    def _add(self, entry: os.DirEntry[str], tree: int, fd: int) -> None:
        name = entry.name
        is_directory = entry.is_dir(follow_symlinks=False)
        if name not in self._found:
            one = self._found[name] = Subdirectory(name, [tree]) if is_directory else None
            if one is None:
                self._add_item(entry, fd)
        else:
            one = self._found[name]
            if one is None or one.opaque:
                return
            if is_directory:
                one.trees.append(tree)
            else:
                one.opaque = True  # something that is not a directory ends the merging
        if one is not None and self._merge:
            one.opaque = one.opaque or _is_opaque(path_in(fd, name))

    def _add_item(self, entry: os.DirEntry[str], fd: int) -> None:
        info = entry.stat(follow_symlinks=False)
        if self._merge and not self._on_top and overlayfs.is_whiteout(info):
            return
        self._on_item(entry.name, fd, info)


def path_in(folder: int, name: str) -> str:
    """A path of something in an open directory, for calls that take no descriptor of that.

    It takes the kernel twice as long to find.
    """
    return f"/proc/self/fd/{folder}/{name}"


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_opaque(path: str) -> bool:
    return overlayfs.OPAQUE in os.listxattr(path, follow_symlinks=False)
