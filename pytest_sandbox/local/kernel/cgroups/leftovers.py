"""Groups of engines: their names, and removing those whose engine is gone.

An engine that is killed leaves its group behind. Its maker holds a lock on the folder, flock(2),
which the kernel releases when its maker ends, so any later run, in any container, can tell what
is left over. A pid in the name could not tell: other containers have other pids.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re

_PREFIX = "pytest-sandbox"
_OURS = re.compile(rf"{_PREFIX}-\d+-[0-9a-f]{{8}}")


def new_path(parent: str) -> str:
    """A path for the group of an engine, which no other engine uses."""
    return f"{parent}/{_PREFIX}-{os.getpid()}-{os.urandom(4).hex()}"


def make_locked(path: str) -> int:
    """Make an engine's group; the descriptor that is returned holds its lock.

    Raises:
        OSError: the kernel refused it.
    """
    while True:
        os.mkdir(path, 0o755)
        # Between making and locking it, another engine may take it for left over. Then once more.
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.path.exists(path):
                return fd
            os.close(fd)


def remove(path: str) -> bool:
    """Remove an engine's group and those in it; whether all were empty, and are gone."""
    try:
        with os.scandir(path) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for child in children:
            remove(child)
        # rmdir(2) refuses a group with processes or groups in it, EBUSY, so nothing that runs is
        # harmed.
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def sweep(parent: str) -> None:
    """Remove the groups of engines that are gone from a folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if _OURS.fullmatch(name):
                _remove_unlocked(f"{parent}/{name}")


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):  # locked, or another engine sweeps too
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        finally:
            os.close(fd)
