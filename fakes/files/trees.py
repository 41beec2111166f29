"""Whole files and whole trees of any depth, with many system calls each."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .disk import Disk
from .inode import ROOT, Directory
from .mounts import TOP, Node
from .vfs import Filesystem
from .walk import fail


@dataclass(frozen=True)
class TreeEntry:
    """A name in a tree.

    Attributes:
        directory: where it lies.
        name: what it is.
        node: what has the name.
        path: the same, relative to the top.
    """

    directory: Node
    name: str
    node: Node
    path: str


def below(fs: Filesystem, top: Node) -> Iterator[TreeEntry]:
    """Every name below a directory, what a directory holds right after its name."""
    stack = [_entries(fs, top, "")]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        yield found
        if isinstance(fs.mounts.get(found.node), Directory):
            stack.append(_entries(fs, found.node, found.path + "/"))


def _entries(fs: Filesystem, directory: Node, prefix: str) -> Iterator[TreeEntry]:
    for name in fs.names(directory):
        node = fs.mounts.entry(directory, name)
        if node is not None:  # it may be removed while one looks
            yield TreeEntry(directory, name, fs.mounts.cover(node), prefix + name)


def copied(fs: Filesystem, path: str) -> Disk:
    """A disk that holds what a directory does, mounts included; contents are shared."""
    top = fs.folder(path)
    disk = Disk(fs.disk.now_ns, size=fs.disk.size)
    numbers = {top: ROOT}
    disk.adopt(fs.inode(top), ROOT)
    for found in below(fs, top):
        inode = fs.inode(found.node)
        if found.node not in numbers:
            numbers[found.node] = disk.new_number()
            disk.adopt(inode, numbers[found.node])
        disk.name((numbers[found.directory], found.name), numbers[found.node])
    return disk


def empty(fs: Filesystem, top: Node) -> None:
    """Remove everything below a directory; links are removed, not followed."""
    for found in reversed(list(below(fs, top))):
        if isinstance(fs.inode(found.node), Directory):
            fs.rmdir(found.name, base=found.directory)
        else:
            fs.unlink(found.name, base=found.directory)


def put(fs: Filesystem, path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a whole file; folders above are made."""
    make_folders(fs, path.rpartition("/")[0])
    handle = fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        handle.pwrite(0, data)
    finally:
        handle.close()


def directory_on(disk: Disk, path: str) -> int:
    """The number of a directory on a disk, which is made if it is missing; no link is followed.

    Raises:
        OSError: `ENOTDIR`, something else is there.
    """
    fs = Filesystem(disk)
    folder = TOP
    for name in path.split("/") if path else ():
        with suppress(FileExistsError):
            fs.mkdir(name, 0o755, base=folder)
        folder = fs.node(name, base=folder, follow=False)
        inode = fs.inode(folder)
        if not isinstance(inode, Directory):
            fail(errno.ENOTDIR, path)
    return fs.inode(folder).number


def make_folders(fs: Filesystem, path: str) -> None:
    """Make a directory and those above it, where there is nothing."""
    folder = TOP
    for name in path.strip("/").split("/"):
        if name:
            with suppress(FileExistsError):
                fs.mkdir(name, 0o755, base=folder)
            folder = fs.folder(name, base=folder)
