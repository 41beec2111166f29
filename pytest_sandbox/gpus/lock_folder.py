"""The folder with the lock files of all users of this machine, `/tmp/pytest-sandbox-gpus`.

A file for each device, and one for those who wait. They are never removed, and empty but for notes
about the holders, which count only while a lock is held.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import stat
from typing import TYPE_CHECKING

from pytest_sandbox._shared import real

from .errors import GpusUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Not below TMPDIR: users and runs with different ones share the devices.
_DEFAULT = "/tmp/pytest-sandbox-gpus"
VARIABLE = "PYTEST_SANDBOX_GPU_LOCKS"
#: Bytes of a note.
NOTE = 256
# A link would lead us to other files; a pipe would hold us up: open(2).
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def lock_folder() -> str:
    """Its path."""
    return os.environ.get(VARIABLE) or _DEFAULT


def open_file(name: str) -> int:
    """A descriptor of a lock file; locks of several descriptors exclude each other.

    Raises:
        GpusUnusable: somebody has put something else there.
    """
    folder = lock_folder()
    path = f"{folder}/{name}"
    try:
        _make(folder)
        fd = _open(path)
    except OSError as error:
        raise GpusUnusable(
            f"the locks of the GPUs cannot be used: {error.filename or path}: {error.strerror}"
            f"{_owner(path)}"
        ) from error
    info = os.fstat(fd)
    # A file with another name elsewhere may be anything; and whoever locks it by that name as well.
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
        os.close(fd)
        raise GpusUnusable(
            f"the locks of the GPUs cannot be used: {path} is not a plain file{_owner(path)}"
        )
    return fd


def is_current(fd: int, name: str) -> bool:
    """Whether an open file still has its name: the owner of the folder may have removed it."""
    try:
        there = os.lstat(f"{lock_folder()}/{name}")
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def write_note(fd: int, place: int, what: str) -> None:
    """Say who holds a lock, for people to read.

    Args:
        fd: of a lock file.
        place: the number of the note.
        what: what the lock is for, such as the name of a test.
    """
    note = {"pid": os.getpid(), "user": _user(os.getuid()), "since": int(real.now())}
    room = NOTE - len(json.dumps({**note, "what": ""}))
    text = json.dumps({**note, "what": what.encode("ascii", "replace").decode()[-room // 2 :]})
    os.pwrite(fd, text.encode().ljust(NOTE), place * NOTE)


def read_note(fd: int, place: int) -> str:
    """What a note says."""
    try:
        note = json.loads(os.pread(fd, NOTE, place * NOTE))
        minutes, seconds = divmod(max(0, int(real.now() - note["since"])), 60)
        age = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        return f"{note['what']} (pid {int(note['pid'])} of {note['user']}, for {age})"
    except (ValueError, TypeError, KeyError, OSError):
        return "a process that left no note"


def in_words(notes: Iterable[str]) -> str:
    """Several notes, each once."""
    return ", ".join(dict.fromkeys(notes))


def _make(folder: str) -> None:
    try:
        os.mkdir(folder)
        os.chmod(folder, 0o1777)  # sticky: nobody removes the files of others
    except FileExistsError:
        pass
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode):
        raise OSError(errno.ENOTDIR, "not a folder", folder)
    # Where others may write, the sticky bit keeps them from putting files in place of ours.
    if info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX:
        raise OSError(errno.EPERM, "others may replace files there: it is not sticky", folder)


def _open(path: str) -> int:
    try:
        # Without O_CREAT: in a sticky folder that is refused for files of others, proc(5),
        # protected_regular.
        return os.open(path, _FLAGS)
    except FileNotFoundError:
        pass
    try:
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # somebody else was faster
        return os.open(path, _FLAGS)
    os.fchmod(fd, 0o666)  # whatever the umask is
    return fd


def _owner(path: str) -> str:
    try:
        return f" (it belongs to {_user(os.lstat(path).st_uid)})"
    except OSError:
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
