"""A directory of this machine as a tar, with links, modes, times and holes.

Sockets, pipes and devices are left out: nothing in the sandbox is at their other end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._shared.tar.disk_source import DiskSource
from pytest_sandbox._shared.tar.member import MemberKind

if TYPE_CHECKING:
    from pytest_sandbox._shared.tar.member import Member

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_KINDS = (MemberKind.FILE, MemberKind.DIRECTORY, MemberKind.SYMLINK)


class Writable(Protocol):
    """A file that can be written from front to back."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


def pack(folder: str, sink: Writable) -> None:
    """Write a directory, itself as `.` and all that is in it, to a sink.

    Files that vanish meanwhile are left out, and what is no file, directory or link.

    Raises:
        OSError: something in it cannot be read.
    """
    for chunk in _Upload(folder).pack(itself=True):
        sink.write(chunk)


class _Upload(DiskSource):
    """A directory of this machine, whose owners mean nothing in a sandbox."""

    def member(self, path: str, name: str, info: os.stat_result) -> Member | None:
        """What a file is in the sandbox, where it belongs to root; `None` leaves it out."""
        member = super().member(path, name, info)
        if member is None or member.kind not in _KINDS:
            return None
        member.uid = member.gid = 0
        return member


def check_folder(path: str | os.PathLike[str]) -> str:
    """The path of a directory of this machine.

    Raises:
        FileNotFoundError, NotADirectoryError: it is none.
    """
    text = os.fspath(path)
    if not stat.S_ISDIR(os.stat(text).st_mode):
        reason = f"{os.strerror(errno.ENOTDIR)} (for a file, use filesystem.copy_from_local)"
        raise NotADirectoryError(errno.ENOTDIR, reason, text)
    return text
