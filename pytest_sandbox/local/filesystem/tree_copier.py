"""Copying a directory tree with all that it has: holes, hard links, owners, times, attributes."""

from __future__ import annotations

import os
import stat

from pytest_sandbox._shared.extents import extents

from ..kernel import file_attributes
from .merged_directory import path_in
from .tree_writer import TreeWriter
from .walk import Visitor, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.file_attributes import Attributes

# O_NONBLOCK: else opening a pipe that took a file's place would wait for a writer.
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_tree(source: int, target: int, links: int, *, skip: frozenset[str] = frozenset()) -> None:
    """Copy all that a directory holds.

    Args:
        source: the directory; owned.
        target: an empty directory; owned.
        links: an empty directory beside it, which is empty again at the end; owned.
        skip: names in the directory to leave out.

    Raises:
        OSError: what the kernel said; what was copied so far stays.
    """
    writer = TreeWriter(target, links)
    walk([source], _Copier(writer), skip=skip)
    writer.close()


def hard_link_key(info: os.stat_result) -> str:
    """What all names of one file have in common; empty if it has only one."""
    return f"{info.st_dev}.{info.st_ino}" if info.st_nlink > 1 else ""


def open_file(name: str, folder: int) -> int:
    """Open a regular file of a directory, which may not be a link, for reading."""
    return os.open(name, _OLD, dir_fd=folder)


def read_special(name: str, folder: int, info: os.stat_result) -> tuple[Attributes, str]:
    """What something in a directory is that is no regular file; where it leads, if it is a link."""
    target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(info.st_mode) else ""
    return file_attributes.read(path_in(folder, name)), target


class _Copier(Visitor):
    """Writes what a walk finds."""

    def __init__(self, writer: TreeWriter) -> None:
        self._writer = writer

    def enter(self, name: str) -> None:
        self._writer.enter(name)

    def leave(self, attributes: Attributes) -> None:
        self._writer.leave(attributes)

    def item(self, name: str, folder: int, info: os.stat_result) -> None:
        if info.st_rdev:
            return  # a device of `/dev`: those are mounted, a sandbox cannot have made any
        key = hard_link_key(info)
        if key and self._writer.link(name, key):
            return
        if stat.S_ISREG(info.st_mode):
            self._file(name, folder, info)
        else:
            self._writer.special(name, *read_special(name, folder, info))
        if key:
            self._writer.remember(name, key)

    def _file(self, name: str, folder: int, info: os.stat_result) -> None:
        source = open_file(name, folder)
        try:

            def fill(target: int) -> int:
                end = 0
                for offset, size in extents(source, info):
                    if offset != end:
                        os.lseek(target, offset, os.SEEK_SET)
                    end = _copy(source, target, offset, size)
                return end

            self._writer.file(name, file_attributes.read(source, info), fill)
        finally:
            os.close(source)


def _copy(source: int, target: int, offset: int, size: int) -> int:
    """Copy a part to where `target` is; returns the end of what was copied."""
    # copy_file_range(2) refuses some pairs of file systems, and which ones depends on the kernel.
    while size:
        sent = os.sendfile(target, source, offset, size)  # without a copy in this process
        if not sent:
            break  # it shrank, and what is missing stays a hole
        offset, size = offset + sent, size - sent
    return offset
