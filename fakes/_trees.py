"""Whole trees, however deep: without recursion, and without paths that grow too long."""

from collections.abc import Iterator

from ._inode import Directory
from ._vfs import Filesystem


def below(fs: Filesystem, top: int) -> Iterator[tuple[Directory, str, str]]:
    """Every name below a directory, what a directory holds right after its name.

    Yields:
        the directory that a name lies in, the name, and its path relative to `top`.
    """
    stack = [iter(_entries(fs, top, ""))]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        yield entry
        directory, name, path = entry
        number = directory.names.get(name)
        if number is not None and isinstance(fs.inode(number), Directory):
            stack.append(iter(_entries(fs, number, path + "/")))


def _entries(fs: Filesystem, number: int, prefix: str) -> list[tuple[Directory, str, str]]:
    directory = fs.inode(number)
    assert isinstance(directory, Directory)
    return [(directory, name, prefix + name) for name in sorted(directory.names)]


def empty(fs: Filesystem, top: int) -> None:
    """Remove everything below a directory; links are removed, not followed."""
    for directory, name, _ in reversed(list(below(fs, top))):
        if isinstance(fs.lookup(name, base=directory.number, follow=False), Directory):
            fs.rmdir(name, base=directory.number)
        else:
            fs.unlink(name, base=directory.number)
