"""The folder of an engine, below that for temporary files, and those that others have left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time

from pytest_sandbox._shared.trees.tree_remover import remove_tree
from pytest_sandbox.engine import EngineUnavailable

from .report import everybody_may_enter

_PREFIX = "pytest-sandbox-processes-"
#: Seconds in which a new folder is locked.
_NEW = 60.0


def make() -> str:
    """Make a folder, which users of tasks can pass through and not list; remove leftovers.

    Raises:
        EngineUnavailable: there is no place for it.
    """
    place = _place()
    _remove_leftovers(place)
    folder = os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    if os.geteuid() == 0:
        os.chmod(folder, 0o711)
    return folder


def _place() -> str:
    """The folder for temporary files, or another one if users of tasks cannot get there."""
    usual = tempfile.gettempdir()
    if os.geteuid() != 0:
        return usual
    for place in (usual, "/tmp", "/var/tmp"):
        if everybody_may_enter(place):
            return place
    raise EngineUnavailable(
        "the folder for temporary files is closed to other users, which sandboxes run as",
        "Set TMPDIR to one that is open to them, or run pytest as an ordinary user.",
    )


def _remove_leftovers(place: str) -> None:
    """Remove folders of engines that were killed together with their keepers."""
    with contextlib.suppress(OSError):
        for name in os.listdir(place):
            if name.startswith(_PREFIX):
                _remove_leftover(os.path.join(place, name))


def _remove_leftover(path: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            old = info.st_mtime < time.time() - _NEW
            ours = info.st_uid == os.geteuid() and stat.S_IMODE(info.st_mode) & 0o066 == 0
            if old and ours:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while it is used
                for name in os.listdir(fd):
                    remove_tree(name, fd, closed=True)
                os.rmdir(path)
        finally:
            os.close(fd)
