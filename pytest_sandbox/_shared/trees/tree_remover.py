"""Removing a directory and all below it.

However deep it is, with two descriptors and no recursion; a directory that a hostile program
swaps for a link meanwhile is not followed. What other programs remove meanwhile is no error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Path: TypeAlias = str | os.PathLike[str]

_ACCESSIBLE = 0o700
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Detached(Exception):
    """Another program removed the directory that we are in, so there is no way up from it."""


def remove_tree(path: Path, folder: int | None = None, *, closed: bool = False) -> None:
    """Remove a file, a link, or a directory with all that it holds.

    Args:
        path: of it.
        folder: where a relative path begins.
        closed: whether directories may be closed to us, who own them: they are opened then.

    Raises:
        OSError: `ESTALE` if a directory was moved meanwhile, or what the kernel said.
    """
    if not stat.S_ISDIR(os.lstat(path, dir_fd=folder).st_mode):
        os.unlink(path, dir_fd=folder)
        return
    with contextlib.suppress(FileNotFoundError):
        while not _emptied(path, folder, closed=closed):
            pass
        os.rmdir(path, dir_fd=folder)


def _emptied(path: Path, folder: int | None, *, closed: bool) -> bool:
    """Empty a directory; False if that has to begin again from the top."""
    fd = _opened(path, folder, closed=closed)
    removal = _Removal(fd, path, closed=closed)
    try:
        removal.run()
    except _Detached:
        return False
    finally:
        removal.close()
    return True


class _RemovalLevel:
    """A directory between the top and where the walk is.

    Attributes:
        identity: device and inode, which stay the same when it is moved.
        name: in the directory above.
        pending: names of directories in it that are left to remove.
    """

    def __init__(self, fd: int, name: str, path: Path) -> None:
        info = os.fstat(fd)
        self.identity = info.st_dev, info.st_ino
        self.name = name
        self.pending = _unlink_files(fd, path)


class _Removal:
    """Empties the directory that `fd` is open on, and goes down and up again; owns `fd`."""

    def __init__(self, fd: int, path: Path, *, closed: bool) -> None:
        self._fd = fd
        self._path = path
        self._closed = closed

    def run(self) -> None:
        levels = [_RemovalLevel(self._fd, "", self._path)]
        while True:
            level = levels[-1]
            if level.pending:
                name = level.pending.pop()
                if self._descend(name):
                    levels.append(_RemovalLevel(self._fd, name, self._path))
            elif len(levels) == 1:
                return
            else:
                levels.pop()
                self._ascend(levels[-1])
                self._remove(level.name, os.rmdir)

    def close(self) -> None:
        os.close(self._fd)

    def _descend(self, name: str) -> bool:
        try:
            self._replace(_opened(name, self._fd, closed=self._closed))
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            self._remove(name, os.unlink)
            return False
        return True

    def _remove(self, name: str, call: Callable[..., None]) -> None:
        try:
            call(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass
        except NotADirectoryError:  # by now a file or a link, which unlink(2) does not follow
            os.unlink(name, dir_fd=self._fd)

    def _ascend(self, level: _RemovalLevel) -> None:
        try:
            above = os.open("..", _FOLDER, dir_fd=self._fd)
        except FileNotFoundError as error:
            # A removed directory has no entries any more, not even "..": path_resolution(7), and
            # IS_DEADDIR in fs/namei.c.
            raise _Detached from error
        self._replace(above)
        info = os.fstat(self._fd)
        if (info.st_dev, info.st_ino) != level.identity:
            # In another place, ".." leads to a directory that is not to be removed.
            raise OSError(errno.ESTALE, "it was moved while it was removed", str(self._path))

    def _replace(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd


def _opened(path: Path, folder: int | None, *, closed: bool) -> int:
    """A directory, opened; one that is closed to us is made accessible before."""
    try:
        fd = os.open(path, _FOLDER, dir_fd=folder)
    except PermissionError:
        if not closed:
            raise
        place = os.open(path, os.O_PATH | _FOLDER, dir_fd=folder)
        try:
            # Such a descriptor has no other way, fchmod(2); and a name could be a link's by now.
            os.chmod(f"/proc/self/fd/{place}", _ACCESSIBLE)
        finally:
            os.close(place)
        fd = os.open(path, _FOLDER, dir_fd=folder)
    if closed:
        os.fchmod(fd, _ACCESSIBLE)  # who cannot write to it can remove nothing in it
    return fd


def _unlink_files(fd: int, path: Path) -> list[str]:
    """Unlink all but the directories; returns the names of those."""
    directories = []
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if is_directory or not _unlinked(name, fd):
                directories.append(name)
    except FileNotFoundError:
        pass  # getdents(2): the directory itself was removed
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    return directories


def _unlinked(name: str, fd: int) -> bool:
    """Unlink a file, if it is still there; False if it is a directory by now."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            return False
    return True
