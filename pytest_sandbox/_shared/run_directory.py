"""Which directories are those of runs, and removing one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat

PREFIX = "pytest-sandbox-"
#: Locked by the owner of the run, for as long as that lives.
LEASE = "lease"
#: Its name until it is locked.
NEW_LEASE = "lease.new"
#: `tempfile.mkdtemp` adds eight of these characters.
_NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")


def is_run_directory(path: str | os.PathLike[str]) -> bool:
    """Whether this is a directory as those of runs are: by its name, its owner and its mode.

    A symbolic link to one is none: another user may have made it.
    """
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return (
        _NAME.fullmatch(os.path.basename(os.path.abspath(path))) is not None
        and stat.S_ISDIR(info.st_mode)
        and stat.S_IMODE(info.st_mode) & 0o777 == 0o700
        and info.st_uid == os.geteuid()
    )


def remove(path: str | os.PathLike[str]) -> None:
    """Remove the directory of a run that has ended, and all that is in it; follows no links.

    The lease goes last: a directory without it could be anything, which nothing would remove if
    this process is killed meanwhile. So it also stays if something else does.
    """
    if not is_run_directory(path):
        return
    with contextlib.suppress(OSError):
        with os.scandir(path) as entries:
            others = [entry for entry in entries if entry.name != LEASE]
        for entry in others:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                _unlink(entry.path)
        _unlink(os.path.join(path, LEASE))
        os.rmdir(path)


def _unlink(path: str) -> None:
    # The owner and the engine may remove the same directory at the same time.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
