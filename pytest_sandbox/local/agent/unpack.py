"""Tar streams as directories, without ever following a link below the directory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from ..wire import Message

_CHUNK = 256 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(path: str, fd: int) -> Message:
    """Write what the archive at `fd` holds below a directory, which is made if need be.

    Raises:
        OSError: among them `EINVAL` for what is no archive, or has names that lead elsewhere.
    """
    os.makedirs(path, exist_ok=True)
    os.umask(0)
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=_CHUNK) as source:
        try:
            with _reader(source) as archive:
                _Unpacking(archive, root).run()
        except tarfile.TarError as error:
            raise OSError(errno.EINVAL, f"not a whole tar stream: {error}", path) from error
        while source.read(_CHUNK):
            pass  # padding; the writer may not find the pipe broken
    return {}


def _reader(source: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=source, mode="r|", encoding="utf-8", errors="surrogateescape")


class _Unpacking:
    def __init__(self, archive: tarfile.TarFile, root: int) -> None:
        self._archive = archive
        self._root = root
        self._parts: list[str] = []  # of the directory that is open
        self._folder = root
        self._directories: list[tuple[list[str], tarfile.TarInfo]] = []

    def run(self) -> None:
        while (member := self._archive.next()) is not None:
            self._archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
            try:
                self._extract(member)
            except OSError as error:
                raise OSError(error.errno, error.strerror, member.name) from error
        # At the end: writing into a directory changes its time, and may not be allowed by its mode.
        for parts, member in reversed(self._directories):
            self._enter(parts)
            _restore(self._folder, member)

    def _extract(self, member: tarfile.TarInfo) -> None:
        parts = _parts(member.name)
        if member.isdir():
            self._enter(parts)
            self._directories.append((parts, member))
        elif parts:
            self._enter(parts[:-1])
            self._make(parts[-1], member)

    def _make(self, name: str, member: tarfile.TarInfo) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)
        if member.islnk():
            self._link(name, member)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=self._folder)
            _restore_link(self._folder, name, member)
        elif member.isfifo() or member.isdev():
            device = os.makedev(member.devmajor, member.devminor) if member.isdev() else 0
            os.mknod(name, _kind(member) | _mode(member), device, dir_fd=self._folder)
            _restore_link(self._folder, name, member)
        else:
            self._write(name, member)

    def _link(self, name: str, member: tarfile.TarInfo) -> None:
        first = _parts(member.linkname)
        here = os.dup(self._folder)
        try:
            self._enter(first[:-1])
            os.link(
                first[-1], name, src_dir_fd=self._folder, dst_dir_fd=here, follow_symlinks=False
            )
        finally:
            os.close(here)

    def _write(self, name: str, member: tarfile.TarInfo) -> None:
        fd = os.open(name, _NEW, 0o600, dir_fd=self._folder)
        try:
            source = self._archive.fileobj
            assert source is not None
            source.seek(member.offset_data)
            parts: Any = member.sparse  # pairs of offset and length; typeshed has it wrong
            for offset, size in parts or [(0, member.size)]:
                _copy(source, fd, offset, size)
            os.ftruncate(fd, member.size)
            _restore(fd, member)
        finally:
            os.close(fd)

    def _enter(self, parts: list[str]) -> None:
        """Open a directory, making what is missing; a link on the way is an error."""
        if parts == self._parts:
            return
        fd = os.dup(self._root)
        for part in parts:
            above, fd = fd, -1
            try:
                fd = _open_or_make(part, above)
            finally:
                os.close(above)
        if self._folder != self._root:
            os.close(self._folder)
        self._folder, self._parts = fd, parts


def _open_or_make(name: str, above: int) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=above)
        return os.open(name, _FOLDER, dir_fd=above)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EINVAL, "the name leads out of the directory")
    return parts


def _kind(member: tarfile.TarInfo) -> int:
    if member.isfifo():
        return stat.S_IFIFO
    return stat.S_IFCHR if member.ischr() else stat.S_IFBLK


def _mode(member: tarfile.TarInfo) -> int:
    return member.mode & 0o7777


def _copy(source: Any, fd: int, offset: int, size: int) -> None:
    while size:
        data = source.read(min(size, _CHUNK))
        if not data:
            raise tarfile.ReadError("it ends in the middle of a file")
        size -= len(data)
        while data:
            written = os.pwrite(fd, data, offset)
            offset, data = offset + written, data[written:]


def _restore(fd: int, member: tarfile.TarInfo) -> None:
    """Owner, then mode, which a change of owner clears in part, then time."""
    with _unknown_owners():
        os.fchown(fd, member.uid, member.gid)
    os.fchmod(fd, _mode(member))
    os.utime(fd, ns=_times(member))


def _restore_link(folder: int, name: str, member: tarfile.TarInfo) -> None:
    with _unknown_owners():
        os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
    os.utime(name, ns=_times(member), dir_fd=folder, follow_symlinks=False)


@contextlib.contextmanager
def _unknown_owners() -> Iterator[None]:
    """An owner that has no id in this sandbox is left to root."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    """As written; `TarInfo.mtime` is a float, too coarse for nanoseconds."""
    seconds, _, fraction = member.pax_headers.get("mtime", "").partition(".")
    if seconds.isdigit() and (not fraction or fraction.isdigit()):
        time = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0") or 0)
    else:
        time = int(member.mtime) * 10**9
    return time, time
