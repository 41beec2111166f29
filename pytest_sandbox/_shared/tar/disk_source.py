"""Packing a directory of the file system, while programs may change it.

A name that vanishes meanwhile, or becomes something else, is left out; a directory that vanishes
is packed as far as it was seen; a file that becomes shorter is filled with zeros.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..extents import extents
from . import writer
from .member import Member, MemberKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: MemberKind.FILE,
    stat.S_IFDIR: MemberKind.DIRECTORY,
    stat.S_IFLNK: MemberKind.SYMLINK,
    stat.S_IFIFO: MemberKind.FIFO,
    stat.S_IFCHR: MemberKind.CHARACTER_DEVICE,
    stat.S_IFBLK: MemberKind.BLOCK_DEVICE,
}


#: ELOOP: a link is in place of a file; EINVAL: a file is in place of a link; ENXIO: a socket is in
#: place of a file. See open(2) and readlink(2).
_OTHER_KIND = (errno.ELOOP, errno.EINVAL, errno.ENXIO)


class Vanished(Exception):
    """A name is gone, or is not what it was."""


class DiskSource:
    """One directory to pack.

    Args:
        path: the directory.
        without: directories below, as pairs of a device and an inode, that are packed as empty.
    """

    def __init__(self, path: str, without: frozenset[tuple[int, int]] = frozenset()) -> None:
        self._top = path
        self._without = without
        self._seen: dict[tuple[int, int], str] = {}

    def pack(self, *, itself: bool) -> Iterator[bytes]:
        """The directory as a tar: directories before what they hold, names sorted.

        Args:
            itself: whether the directory is a member too, as `.`.

        Raises:
            OSError: the directory does not exist, or something in it cannot be read.
        """
        for name in self._names():
            if name == "." and not itself:
                continue
            with contextlib.suppress(Vanished):
                yield from self._member(name)
        yield writer.END

    def pack_file(self, name: str) -> Iterator[bytes]:
        """One file in it as a tar; a link is followed.

        Raises:
            OSError: there is no such file, or it is none; `EISDIR` or `EINVAL`.
        """
        given = os.path.join(self._top, name)
        path = os.path.realpath(given)
        info = os.stat(given)
        member = self.member(path, name, info)
        if member is None or member.kind is not MemberKind.FILE:
            number = errno.EISDIR if stat.S_ISDIR(info.st_mode) else errno.EINVAL
            raise OSError(number, os.strerror(number), given)
        with contextlib.suppress(Vanished):
            yield from self._file(path, member, info)
        yield writer.END

    def member(self, path: str, name: str, info: os.stat_result) -> Member | None:
        """What a file is in the tar; `None` leaves it out. Subclasses may change it."""
        kind = _KINDS.get(stat.S_IFMT(info.st_mode))
        if kind is None:
            return None  # a socket means nothing elsewhere
        member = Member(
            name,
            kind,
            mode=stat.S_IMODE(info.st_mode),
            uid=info.st_uid,
            gid=info.st_gid,
            mtime_ns=info.st_mtime_ns,
        )
        if kind in (MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE):
            member.device = os.major(info.st_rdev), os.minor(info.st_rdev)
        return member

    def _names(self) -> Iterator[str]:
        """`.`, then all names below, relative to it; without recursion."""
        pending = ["."]
        while pending:
            folder = pending.pop()
            try:
                found = self._listed(folder)
            except Vanished:
                continue
            if folder == ".":
                yield folder
            below = []
            for name, is_directory in found:
                relative = name if folder == "." else f"{folder}/{name}"
                yield relative
                if is_directory:
                    below.append(relative)
            pending += below[::-1]

    def _listed(self, folder: str) -> list[tuple[str, bool]]:
        if folder == ".":
            # The directory itself may be a link, and must exist.
            with os.scandir(self._top) as entries:
                return sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
        with _vanishing():
            fd = os.open(f"{self._top}/{folder}", _FOLDER)
        try:
            if self._without:
                info = os.fstat(fd)
                if (info.st_dev, info.st_ino) in self._without:
                    return []
            with os.scandir(fd) as entries:
                return sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
        finally:
            os.close(fd)

    def _member(self, name: str) -> Iterator[bytes]:
        path = self._top if name == "." else f"{self._top}/{name}"
        with _vanishing():
            info = os.stat(path) if name == "." else os.lstat(path)
        member = self.member(path, name, info)
        if member is None:
            return
        key = (info.st_dev, info.st_ino)
        several = info.st_nlink > 1 and member.kind is not MemberKind.DIRECTORY
        if several and key in self._seen:
            member.kind, member.target = MemberKind.HARD_LINK, self._seen[key]
            yield from writer.write(member)
        elif member.kind is MemberKind.FILE:
            yield from self._file(path, member, info)
        else:
            if member.kind is MemberKind.SYMLINK:
                with _vanishing():
                    member.target = os.readlink(path)
            yield from writer.write(member)
        # Only now: the first name must be in the tar, or the others would be links to nothing.
        if several:
            self._seen.setdefault(key, name)

    def _file(self, path: str, member: Member, seen: os.stat_result) -> Iterator[bytes]:
        with _vanishing():
            fd = os.open(path, _FILE)
        try:
            info = os.fstat(fd)
            if not os.path.samestat(info, seen):
                raise Vanished
            member.size, member.extents = info.st_size, extents(fd, info)
            yield from writer.write(member, lambda offset, size: os.pread(fd, size, offset))
        finally:
            os.close(fd)


@contextlib.contextmanager
def _vanishing() -> Iterator[None]:
    """Turn the errors of a name that is gone or of another kind into `Vanished`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Vanished from error
    except OSError as error:
        if error.errno not in _OTHER_KIND:
            raise
        raise Vanished from error
