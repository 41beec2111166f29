"""Making a directory tree, from what another one holds or from a description of it."""

from __future__ import annotations

import os
import stat

from pytest_sandbox._shared.extents import extents

from . import file_attributes
from .walk import Visitor, open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .file_attributes import Attributes

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def identity(info: os.stat_result) -> str:
    """What all names of one file have in common; empty if it has only one."""
    return f"{info.st_dev}.{info.st_ino}" if info.st_nlink > 1 else ""


class Planter:
    """Makes what it is told of, in order, in a tree that nobody else changes.

    Args:
        root: descriptor of an empty directory; owned.
        names: descriptor of an empty directory beside it, for files that have several names; owned.
    """

    def __init__(self, root: int, names: int) -> None:
        self._folder = root
        self._names = names
        self._depth = 0

    def enter(self, name: str) -> None:
        """Make a directory and go on in it."""
        os.mkdir(name, 0o700, dir_fd=self._folder)
        self._move(name)
        self._depth += 1

    def leave(self, attributes: Attributes) -> None:
        """Complete a directory and go on in the one that it is in."""
        attributes.give(self._folder)
        if self._depth:
            self._move("..")
            self._depth -= 1

    def file(self, name: str, attributes: Attributes, fill: Callable[[int], None]) -> None:
        """Make a regular file; `fill` writes to the descriptor that it is given."""
        fd = os.open(name, _NEW, 0o600, dir_fd=self._folder)
        try:
            os.ftruncate(fd, attributes.size)
            fill(fd)
            attributes.give(fd)
        finally:
            os.close(fd)

    def special(self, name: str, attributes: Attributes, target: str) -> None:
        """Make a link to `target`, a pipe, a socket or a device node."""
        if stat.S_ISLNK(attributes.mode):
            os.symlink(target, name, dir_fd=self._folder)
        else:
            os.mknod(
                name, stat.S_IFMT(attributes.mode) | 0o600, attributes.device, dir_fd=self._folder
            )
        attributes.give(f"/proc/self/fd/{self._folder}/{name}")

    def another_name(self, name: str, key: str) -> bool:
        """Make a name for what `remember` was told of; whether there is such."""
        try:
            os.link(
                key, name, src_dir_fd=self._names, dst_dir_fd=self._folder, follow_symlinks=False
            )
        except FileNotFoundError:
            return False
        return True

    def remember(self, name: str, key: str) -> None:
        """What was made last, as `name`, has other names."""
        os.link(name, key, src_dir_fd=self._folder, dst_dir_fd=self._names, follow_symlinks=False)

    def close(self) -> None:
        """Release what is held, when all is made."""
        with os.scandir(self._names) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            os.unlink(name, dir_fd=self._names)
        os.close(self._names)
        os.close(self._folder)

    def _move(self, name: str) -> None:
        fd = open_folder(name, self._folder)
        os.close(self._folder)
        self._folder = fd


class Copy(Visitor):
    """Makes what a walk finds."""

    def __init__(self, planter: Planter) -> None:
        self._planter = planter

    def enter(self, name: str) -> None:
        """Go into a directory, which is made."""
        self._planter.enter(name)

    def leave(self, attributes: Attributes) -> None:
        """Leave a directory, and give it its attributes."""
        self._planter.leave(attributes)

    def item(self, name: str, path: str, info: os.stat_result) -> None:
        """Copy what is not a directory."""
        if info.st_rdev:
            return  # a device, which no sandbox can make: it is mounted there
        key = identity(info)
        if key and self._planter.another_name(name, key):
            return
        if stat.S_ISREG(info.st_mode):
            self._file(name, path)
        else:
            target = os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
            self._planter.special(name, file_attributes.of(path), target)
        if key:
            self._planter.remember(name, key)

    def _file(self, name: str, path: str) -> None:
        source = os.open(path, _OLD)
        try:
            parts = extents(source, os.fstat(source))

            def fill(target: int) -> None:
                for offset, size in parts:
                    _copy(source, target, offset, size)

            self._planter.file(name, file_attributes.of(source), fill)
        finally:
            os.close(source)


def _copy(source: int, target: int, offset: int, size: int) -> None:
    os.lseek(target, offset, os.SEEK_SET)
    while size:
        sent = os.sendfile(target, source, offset, size)
        if not sent:
            return  # it shrank, and what is missing stays a hole
        offset, size = offset + sent, size - sent
