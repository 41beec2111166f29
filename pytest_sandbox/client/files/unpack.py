"""A tar from a sandbox, written below a directory of this machine and nowhere else.

The tar is not trusted:

- every path is walked from the directory down without following a link (`openat(2)` with
  `O_NOFOLLOW`), so links that the tar makes, or that were there, lead nowhere;
- names that are absolute or hold `..` are refused;
- files are made anew, never opened for writing, so that what a hard link shares stays as it is;
- links that would lead out of the directory are refused unless they are asked for, so that
  a reader of the copy does not read other files of this machine;
- there are no devices (refused), pipes (left out) or sockets, and no owners;
- files have no set-id bits unless they are asked for: as the caller owns them, any user of this
  machine could run the sandbox's program with the caller's rights.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.tar.disk_target import DiskTarget
from pytest_sandbox._shared.tar.member import MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox._shared.tar.unpack import unpack as unpack_tar

from ..exceptions import UnsafeArchiveError

if TYPE_CHECKING:
    from pytest_sandbox._shared.tar.member import Member

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Characters of a name or a target in an error: a hostile one may have megabytes.
_SHOWN = 80


class Readable(Protocol):
    """A file that can be read from front to back."""

    def read(self, size: int, /) -> bytes:
        """`size` bytes, or fewer at the end."""


def unpack(
    source: Readable, folder: str, *, outside_links: bool, set_id_bits: bool = False
) -> None:
    """Write what a tar holds below a directory.

    Args:
        source: the tar.
        folder: an existing directory.
        outside_links: make links that lead out of it too.
        set_id_bits: give files their set-user-id and set-group-id bits.

    Raises:
        UnsafeArchiveError: it is no tar, or a member would not stay below the directory.
        OSError: it cannot be written.
    """
    target = _HostTarget(folder, outside_links, set_id_bits)
    try:
        unpack_tar(Reader(source.read), target)
    except TarError as error:
        raise UnsafeArchiveError(f"the tar from the sandbox cannot be unpacked: {error}") from error
    finally:
        target.close()


class _HostTarget(DiskTarget):
    """A directory of this machine.

    Args:
        path: the directory.
        outside_links: make links that lead out of it too.
        set_id_bits: give files their set-user-id and set-group-id bits.
    """

    def __init__(self, path: str, outside_links: bool, set_id_bits: bool) -> None:
        super().__init__(path)
        self._outside_links = outside_links
        self._file_mode = 0o7777 if set_id_bits else 0o1777
        self._entered: tuple[str, ...] = ()
        self._left_out: set[tuple[str, ...]] = set()

    def enter(self, parts: tuple[str, ...], *, make: bool) -> None:
        """Enter a directory."""
        super().enter(parts, make=make)
        self._entered = parts

    def step(self, name: str, folder: int, *, make: bool) -> tuple[int, bool]:
        """Open a directory in another one; a link in its place is not followed."""
        try:
            return super().step(name, folder, make=make)
        except NotADirectoryError as error:
            raise TarError(
                f"{name[:_SHOWN]!r} is not a directory, but the tar has files below it"
            ) from error

    def symlink(self, name: str, member: Member) -> None:
        """Make a link, unless it leads out."""
        if not self._outside_links and not relative_path.stays_inside(
            member.target, len(self._entered)
        ):
            raise TarError(
                f"the link {member.name[:_SHOWN]!r} leads out of the directory, to "
                f"{member.target[:_SHOWN]!r}; outside_links=True copies such links as they are"
            )
        super().symlink(name, member)

    def check_source(self, folder: int, name: str, member: Member) -> None:
        """Refuse a link: where it leads depends on where it is."""
        if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
            raise TarError(
                f"{member.name[:_SHOWN]!r} is a hard link to something that is not a file"
            )

    def hard_link(self, name: str, member: Member, source: tuple[str, ...]) -> None:
        """Make another name of a file; leave out that of a pipe."""
        if source in self._left_out:
            self._left_out.add((*self._entered, name))
            return
        try:
            super().hard_link(name, member, source)
        except FileNotFoundError:  # also a directory on the way to it
            raise _missing(member) from None

    def special(self, name: str, member: Member) -> None:
        """Leave out a pipe: nothing here is at its other end. Refuse a device."""
        if member.kind is MemberKind.FIFO:
            self._left_out.add((*self._entered, name))
            return
        raise TarError(f"{member.name[:_SHOWN]!r} is no file, directory or link")

    def attributes(self, fd: int, member: Member) -> None:
        """Set the mode, with set-id bits only where they are asked for, and the time."""
        # On a directory they give nobody any rights.
        mask = 0o7777 if member.kind is MemberKind.DIRECTORY else self._file_mode
        os.fchmod(fd, member.mode & mask)
        os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))


def _missing(member: Member) -> TarError:
    name, target = member.name[:_SHOWN], member.target[:_SHOWN]
    return TarError(f"{name!r} is a hard link to {target!r}, which is not in the tar")
