"""Writing a directory tree, item by item, in the order of a walk."""

from __future__ import annotations

import os
import stat

from .merged_directory import path_in
from .walk import open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.file_attributes import Attributes

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeWriter:
    """Writes what it is called for to a tree that no other process changes.

    Args:
        root: descriptor of an empty directory; owned.
        links: descriptor of an empty directory on the same file system; owned. A file with several
            names gets one more there, to make the next one from: its first name may be too deep to
            be reached by a path.
    """

    def __init__(self, root: int, links: int) -> None:
        self._folder = root
        self._links = links
        self._depth = 0
        # Whose all is that this process makes, since no directory has its set-group-ID bit before
        # `leave`.
        self._owner = os.geteuid(), os.getegid()
        self._umask = os.umask(0)
        os.umask(self._umask)

    def enter(self, name: str) -> None:
        """Make a directory and continue in it."""
        # For us alone until `leave`: its own mode might not let us write to it.
        os.mkdir(name, 0o700, dir_fd=self._folder)
        self._move(name)
        self._depth += 1

    def leave(self, attributes: Attributes) -> None:
        """Complete a directory and continue in the one that it is in."""
        # Only now: writing to it changed its time, and may not be allowed by its mode.
        attributes.apply(self._folder, self._owner if self._depth else None)
        if self._depth:
            self._move("..")
            self._depth -= 1

    def file(self, name: str, attributes: Attributes, fill: Callable[[int], int]) -> None:
        """Make a regular file.

        Args:
            name: in the current directory.
            attributes: of it.
            fill: writes its data to the descriptor that it is given; what it does not write stays a
                hole. Returns where the data ends.
        """
        # With its mode, which most files then have: nobody else sees them before all is made.
        mode = attributes.mode & 0o777 & ~self._umask
        fd = os.open(name, _NEW, mode, dir_fd=self._folder)
        try:
            # Not before: see `large_pages` of `tmpfs.mount`.
            if fill(fd) != attributes.size:
                os.ftruncate(fd, attributes.size)
            attributes.apply(fd, self._owner, mode)
        finally:
            os.close(fd)

    def special(self, name: str, attributes: Attributes, target: str) -> None:
        """Make a symbolic link to `target`, a pipe, a socket or a device node."""
        if stat.S_ISLNK(attributes.mode):
            os.symlink(target, name, dir_fd=self._folder)
        else:
            os.mknod(
                name, stat.S_IFMT(attributes.mode) | 0o600, attributes.device, dir_fd=self._folder
            )
        # There is no setxattr(2) relative to a descriptor, nor can a link be opened.
        attributes.apply(path_in(self._folder, name), self._owner)

    def link(self, name: str, key: str) -> bool:
        """Make a further name for what was remembered under `key`; whether there is such."""
        try:
            os.link(
                key, name, src_dir_fd=self._links, dst_dir_fd=self._folder, follow_symlinks=False
            )
        except FileNotFoundError:
            return False
        return True

    def remember(self, name: str, key: str) -> None:
        """Remember what was made last, as `name`, for `link`."""
        os.link(name, key, src_dir_fd=self._folder, dst_dir_fd=self._links, follow_symlinks=False)

    def close(self) -> None:
        """Remove what was remembered, and close the descriptors, when all is made."""
        with os.scandir(self._links) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            os.unlink(name, dir_fd=self._links)
        os.close(self._links)
        os.close(self._folder)

    def _move(self, name: str) -> None:
        fd = open_folder(name, self._folder)
        os.close(self._folder)
        self._folder = fd
