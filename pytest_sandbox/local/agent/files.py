"""File operations of PID 1 that are one system call or few; the long ones are jobs."""

from __future__ import annotations

import errno
import os
import stat

from pytest_sandbox._shared.directories import make_directories

from ..protocol.jobs import FileStatus

#: A hostile file may be of any size, and PID 1 reads it into its own memory.
_LARGEST_ACCOUNTS = 1024 * 1024
_REFUSED_FLAGS = os.O_PATH | os.O_DIRECTORY  # O_TMPFILE has the bit of O_DIRECTORY too


def open_file(path: str, flags: int, mode: int = 0) -> int:
    """Open a regular file; to use any other kind of descriptor might block.

    A FIFO or a terminal would: hence `O_NONBLOCK`, without which already open(2) waits for the
    other end of a FIFO, and `O_NOCTTY`, without which a terminal becomes that of PID 1.
    """
    if flags & _REFUSED_FLAGS:
        raise OSError(errno.EINVAL, "not flags for a regular file", path)
    more = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    fd = os.open(path, flags | more, mode)
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind):
        return fd
    os.close(fd)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "not a regular file", path)


def make_directory(path: str, *, parents: bool) -> None:
    """Make a directory, or all that is missing of a path."""
    if parents:
        make_directories(path)
    else:
        os.mkdir(path)


def remove(path: str) -> None:
    """Remove one name."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.rmdir(path)
    else:
        os.unlink(path)


def replace(source: str, target: str) -> None:
    """Rename a file over another, whose mode and owner it gets."""
    try:
        before = os.lstat(target)
    except FileNotFoundError:
        before = None
    if before is not None and stat.S_ISREG(before.st_mode):
        fd = open_file(source, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            # The owner first: a change of owner clears set-id bits, chown(2).
            os.fchown(fd, before.st_uid, before.st_gid)
            os.fchmod(fd, stat.S_IMODE(before.st_mode))
        finally:
            os.close(fd)
    os.rename(source, target)


def describe(path: str, info: os.stat_result) -> FileStatus:
    """What to tell of a file."""
    target = None
    if stat.S_ISLNK(info.st_mode):
        try:
            target = os.readlink(path)
        except OSError:
            target = ""  # replaced meanwhile
    return FileStatus(
        mode=info.st_mode,
        size=info.st_size,
        uid=info.st_uid,
        gid=info.st_gid,
        owner=_USERS.name(info.st_uid),
        group=_GROUPS.name(info.st_gid),
        mtime_ns=info.st_mtime_ns,
        target=target,
    )


class _Accounts:
    """Names of the sandbox's own accounts; read again when the file changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._version: tuple[int, ...] = ()
        self._names: dict[int, str] = {}

    def name(self, number: int) -> str:
        """The name of a number, else the number as text."""
        try:
            info = os.stat(self._path)
            version = (info.st_mtime_ns, info.st_size, info.st_ino)
            if version != self._version:
                self._version, self._names = version, self._read()
        except OSError:
            self._version, self._names = (), {}  # a sandbox may do without accounts
        return self._names.get(number, str(number))

    def _read(self) -> dict[int, str]:
        fd = open_file(self._path, os.O_RDONLY)
        try:
            text = os.read(fd, _LARGEST_ACCOUNTS).decode("utf-8", "replace")
        finally:
            os.close(fd)
        lines = [line.split(":") for line in text.splitlines()]
        # The first name of a number counts, as for getpwuid(3).
        return {
            int(line[2]): line[0] for line in lines[::-1] if len(line) > 2 and line[2].isdigit()
        }


_USERS = _Accounts("/etc/passwd")
_GROUPS = _Accounts("/etc/group")
