"""File operations of PID 1 that are one system call or few; the long ones are jobs."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..wire import Message

_LARGEST_ACCOUNTS = 1024 * 1024
_REFUSED_FLAGS = os.O_PATH | os.O_DIRECTORY  # O_TMPFILE has the bit of O_DIRECTORY too


def open_file(request: Message) -> int:
    """Open a regular file; anything else might block whoever uses the descriptor."""
    path, flags = request["path"], request["flags"]
    if flags & _REFUSED_FLAGS:
        raise OSError(errno.EINVAL, "not flags for a regular file", path)
    more = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    fd = os.open(path, flags | more, request["mode"])
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "not a regular file", path)


def describe_path(request: Message) -> Message:
    """What `stat` answers."""
    path = request["path"]
    return {"entry": entry(path, os.stat(path) if request["follow"] else os.lstat(path))}


def make_directory(request: Message) -> Message:
    """Make a directory, or all that is missing of a path."""
    if request["parents"]:
        os.makedirs(request["path"], exist_ok=True)
    else:
        os.mkdir(request["path"])
    return {}


def remove(request: Message) -> Message:
    """Remove one name."""
    path = request["path"]
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.rmdir(path)
    else:
        os.unlink(path)
    return {}


def entry(path: str, info: os.stat_result) -> list[object]:
    """What the engine makes an `Entry` of."""
    target = None
    if stat.S_ISLNK(info.st_mode):
        try:
            target = os.readlink(path)
        except OSError:
            target = ""  # replaced meanwhile
    return [
        *(info.st_mode, info.st_size, info.st_uid, info.st_gid),
        *(_USERS.name(info.st_uid), _GROUPS.name(info.st_gid), info.st_mtime_ns, target),
    ]


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
        fd = open_file({"path": self._path, "flags": os.O_RDONLY, "mode": 0})
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
