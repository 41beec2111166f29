"""Unpacking below a directory of the file system, by descriptors: no link is ever followed."""

from __future__ import annotations

import contextlib
import os

from .. import relative_path
from ..whole_writes import pwrite_all
from .unpack import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .member import Member
    from .unpack import Parts

    _Identity = tuple[int, int]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK_ATTEMPTS = 100
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskTarget(Target):
    """Every path is walked from the top down with openat(2) and `O_NOFOLLOW`.

    Links that the tar makes, or that were there, lead nowhere. Files are made anew, never opened
    for writing, so that what a hard link shares stays as it is. They are made under another name
    and then renamed, so that a reader finds the old file or the whole new one, and two tars can be
    unpacked into one directory at a time. Directories that were there before keep their
    attributes. Subclasses set the others.

    Args:
        path: the directory, which exists.
        made: whether it was made for this.
    """

    #: Of a directory until it gets its own mode, and of those that the tar does not have.
    directory_mode = 0o700

    def __init__(self, path: str, *, made: bool = False) -> None:
        self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parts: Parts = ()
        # Of the top and of the directories on the way to the entered one.
        self._identities = [_identity(self._top)]
        # Not by their paths: all those on the way to a deep directory would take much memory.
        self._made = set(self._identities) if made else set()
        self.folder = os.dup(self._top)  # of the entered directory

    def close(self) -> None:
        """Close its descriptors."""
        os.close(self._top)
        os.close(self.folder)

    def enter(self, parts: Parts, *, make: bool) -> None:
        """Enter a directory."""
        if parts == self._parts:
            return
        folder, identities = self._open(parts, make=make)
        os.close(self.folder)
        self.folder, self._parts, self._identities = folder, parts, identities

    def _open(self, parts: Parts, *, make: bool) -> tuple[int, list[_Identity]]:
        """Open a directory, and tell what was on the way.

        From the entered directory up, then down: else a deep tree would be walked from the top for
        each of its levels.
        """
        shared = relative_path.shared(self._parts, parts)
        above = self._above(shared) if len(self._parts) - shared <= shared else None
        folder, done = (os.dup(self._top), 0) if above is None else (above, shared)
        identities = self._identities[: done + 1]
        for part in parts[done:]:
            try:
                below, made = self.step(part, folder, make=make)
            finally:
                os.close(folder)
            folder = below
            identities.append(_identity(folder))
            if made:
                self._made.add(identities[-1])
        return folder, identities

    def _above(self, depth: int) -> int | None:
        """Open a directory above the entered one; none if a program has moved one meanwhile.

        In a directory that was moved, `..` leads to where it is now.
        """
        folder = os.dup(self.folder)
        for expected in reversed(self._identities[depth:-1]):
            try:
                above = os.open("..", _FOLDER, dir_fd=folder)
            except OSError:  # for want of a right to search it, for example
                above = None
            os.close(folder)
            if above is None:
                return None
            folder = above
            if _identity(folder) != expected:
                os.close(folder)
                return None
        return folder

    def step(self, name: str, folder: int, *, make: bool) -> tuple[int, bool]:
        """Open a directory in another one, which may be made, and tell whether it was."""
        try:
            return os.open(name, _FOLDER, dir_fd=folder), False
        except FileNotFoundError:
            if not make:
                raise
        made = False
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, self.directory_mode, dir_fd=folder)
            made = True
        return os.open(name, _FOLDER, dir_fd=folder), made

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[str]:
        """Another name, to make something under that then gets this name, rename(2)."""
        part = f".{os.urandom(16).hex()}"
        try:
            yield part
            os.rename(part, name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        finally:
            # After an error; also rename(2) leaves both names if they are one file's already.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=self.folder)

    def file(self, name: str, member: Member, contents: Iterable[tuple[int, bytes]]) -> None:
        """Make a regular file."""
        with self.replacing(name) as part:
            fd = os.open(part, _NEW_FILE, 0o600, dir_fd=self.folder)
            try:
                for offset, data in contents:
                    pwrite_all(fd, offset, data)
                os.ftruncate(fd, member.size)
                self.attributes(fd, member)
            finally:
                os.close(fd)

    def symlink(self, name: str, member: Member) -> None:
        """Make a symbolic link."""
        with self.replacing(name) as part:
            os.symlink(member.target, part, dir_fd=self.folder)
            self.link_attributes(part, member)

    def hard_link(self, name: str, member: Member, source: Parts) -> None:
        """Make another name of a file."""
        folder, _ = self._open(source[:-1], make=False)
        try:
            self.check_source(folder, source[-1], member)
            with self.replacing(name) as part:
                self._link(folder, source[-1], part)
        finally:
            os.close(folder)

    def _link(self, folder: int, source: str, name: str) -> None:
        """Make another name, link(2).

        A file that is replaced by another right after the kernel has found its name has no name any
        more: `ENOENT`, vfs_link() in fs/namei.c. Another unpacking of the same tar does that.
        """
        for _ in range(_LINK_ATTEMPTS):
            try:
                os.link(
                    *(source, name),
                    src_dir_fd=folder,
                    dst_dir_fd=self.folder,
                    follow_symlinks=False,
                )
                return
            except FileNotFoundError as error:  # noqa: PERF203 - each turn is an attempt
                os.lstat(source, dir_fd=folder)  # unless there is none
                replaced = error
        raise replaced

    def complete(self, member: Member) -> None:
        """Give the entered directory its attributes, unless it was there before."""
        if self._identities[-1] in self._made:
            self.attributes(self.folder, member)

    def check_source(self, folder: int, name: str, member: Member) -> None:
        """Refuse the source of a hard link; by default every one is fine."""

    def attributes(self, fd: int, member: Member) -> None:
        """Give an open file or directory its mode and time."""
        raise NotImplementedError

    def link_attributes(self, name: str, member: Member) -> None:
        """Give a link, a device or a pipe in the entered directory its time."""
        times = (member.mtime_ns, member.mtime_ns)
        os.utime(name, ns=times, dir_fd=self.folder, follow_symlinks=False)


def _identity(fd: int) -> _Identity:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino
