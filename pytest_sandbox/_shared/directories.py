"""Directories of any depth, without recursion: `os.makedirs` and `os.walk` have a limit.

Each level of a path costs `os.makedirs` a call of itself, and `os.walk` too before Python 3.12.
A path may have 2000 levels, and Python refuses the 1000th call.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def make_directories(path: str) -> bool:
    """Make a directory and all above it that are missing; false if it is there already.

    Raises:
        OSError: what the kernel said; `FileExistsError` for a path of something else.
    """
    missing: list[str] = []
    step = path
    while (made := _make(step)) is None:
        missing.append(step)
        step = os.path.dirname(step.rstrip("/"))
    # Each of these once: where a program removes them again and again, this is to come to an end.
    for step in reversed(missing):
        made = _make(step)
        if made is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), step)
    return made


def _make(path: str) -> bool | None:
    """Make a directory, unless it is there (false), or what it is to be in is missing (none)."""
    try:
        os.mkdir(path)
    except FileNotFoundError:
        if not os.path.dirname(path.rstrip("/")):
            raise
        return None
    except OSError:
        if not os.path.isdir(path):
            raise
        return False
    return True


def walk_directories(path: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each directory below a path, from the top, with the names of directories and others in it.

    Links are others. What vanishes or cannot be listed is left out, as by `os.walk`. The caller may
    change the list of directories to say which are walked, and in which order.
    """
    pending = [path]
    while pending:
        folder = pending.pop()
        directories: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    kind = directories if entry.is_dir(follow_symlinks=False) else others
                    kind.append(entry.name)
        except OSError:
            continue
        yield folder, directories, others
        pending += [os.path.join(folder, name) for name in reversed(directories)]
