"""Removing a directory and all below it, in a sandbox: its root is all that can be named here.

However deep it is, with two descriptors and no recursion; a directory that a hostile program
swaps for a link meanwhile is not followed.
"""

from __future__ import annotations

import errno
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove a file, a link, or a directory with all that it holds."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    fd = os.open(path, _FOLDER)
    try:
        fd = _empty(fd, path)
    finally:
        os.close(fd)
    os.rmdir(path)


def _empty(fd: int, path: str) -> int:
    """Empty a directory; gives back an open descriptor of it."""
    # Of each open level: which directory it is, its name above, and what is left to remove in it.
    levels = [(_identity(fd), "", _unlink_files(fd, path))]
    while True:
        _, name, pending = levels[-1]
        if pending:
            child = os.open(pending[-1], _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = child
            levels.append((_identity(fd), pending.pop(), _unlink_files(fd, path)))
        elif len(levels) == 1:
            return fd
        else:
            levels.pop()
            above = os.open("..", _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = above
            if _identity(fd) != levels[-1][0]:
                raise OSError(errno.ESTALE, "it was moved while it was removed", path)
            os.rmdir(name, dir_fd=fd)


def _unlink_files(fd: int, path: str) -> list[str]:
    """Unlink all but the directories, whose names it gives back."""
    directories = []
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if is_directory:
                directories.append(name)
            else:
                os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        pass  # somebody else removes too
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return directories


def _identity(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino
