"""A tar from a sandbox, written below a directory of this machine and nowhere else.

Whoever made the tar is not trusted:

- every path is walked from the directory down without following a link (`openat(2)` with
  `O_NOFOLLOW`), so links that the tar makes, or that were there, lead nowhere;
- names that are absolute or hold `..` are refused;
- files are made anew, never opened for writing, so that what a hard link shares stays as it is;
- links that would lead out of the directory are refused unless they are asked for, so that
  whoever reads the copy does not read other files of this machine;
- there are no devices, pipes or sockets, no owners, and no set-user-id bits.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from typing import IO, TYPE_CHECKING, Protocol, cast

from ..exceptions import UnsafeArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

__tracebackhide__ = True  # a failing test shows the caller's line, not these


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1024 * 1024

_Segments = list[tuple[int, int]]


def unpack(source: Readable, folder: str, *, outside_links: bool) -> None:
    """Write what a tar holds below a directory.

    Args:
        source: the tar.
        folder: an existing directory.
        outside_links: make links that lead out of it too.

    Raises:
        UnsafeArchiveError: a member would not stay below the directory.
        OSError: it cannot be written.
    """
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _Unpacking(root, outside_links).run(source)
    finally:
        os.close(root)


class Readable(Protocol):
    """A file that can be read from front to back."""

    def read(self, size: int, /) -> bytes:
        """`size` bytes, or fewer at the end."""


class _Stored(Readable, Protocol):
    """What a tar stores, as `tarfile` gives it: forwards only."""

    def seek(self, position: int, /) -> object:
        """Go to a position in the tar."""


class _Unpacking:
    """One tar on its way below one directory.

    Args:
        root: the directory, open.
        outside_links: make links that lead out of it too.
    """

    def __init__(self, root: int, outside_links: bool) -> None:
        self._root = root
        self._outside_links = outside_links
        self._folders: list[tuple[tuple[str, ...], tarfile.TarInfo]] = []

    def run(self, source: Readable) -> None:
        try:
            # A tar that is read as a stream needs no more of a file than `read`.
            file = cast("IO[bytes]", source)
            with tarfile.open(fileobj=file, mode="r|", bufsize=_CHUNK) as archive:
                for info in archive:
                    self._member(archive, info)
                    archive.members = []  # type: ignore[attr-defined]  # else they are all kept
        except tarfile.TarError as error:
            raise UnsafeArchiveError(f"what the sandbox packed is no tar: {error}") from error
        # Last, and the deepest first: what is written into a directory changes its times, and
        # its mode may forbid to write into it at all.
        for parts, info in sorted(self._folders, key=lambda item: len(item[0]), reverse=True):
            with self._folder(parts) as folder:
                _finish(folder, info)

    def _member(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        parts = _parts(info.name)
        if info.isdir():
            with self._folder(parts, make=True):
                self._folders.append((parts, info))
        elif not parts:
            raise UnsafeArchiveError("what the sandbox packed replaces the directory itself")
        else:
            with self._folder(parts[:-1], make=True) as folder:
                _make_way(folder, parts[-1])
                self._make(archive, info, folder, parts)

    def _make(
        self, archive: tarfile.TarFile, info: tarfile.TarInfo, folder: int, parts: tuple[str, ...]
    ) -> None:
        name = parts[-1]
        if info.isreg():
            # Not `extractfile`, which would read holes as zeros, however large they are.
            stored = cast("_Stored", archive.fileobj)
            stored.seek(info.offset_data)
            _write_file(folder, name, info, stored)
        elif info.issym():
            if not self._outside_links and not _stays_inside(info.linkname, len(parts) - 1):
                raise UnsafeArchiveError(
                    f"the link {info.name!r} leads out of the directory, to {info.linkname!r}; "
                    "outside_links=True copies such links as they are"
                )
            os.symlink(info.linkname, name, dir_fd=folder)
            _set_times(info, name, folder)
        elif info.islnk():
            self._hard_link(info, folder, name)
        else:
            raise UnsafeArchiveError(f"{info.name!r} is no file, directory or link")

    def _hard_link(self, info: tarfile.TarInfo, folder: int, name: str) -> None:
        target = _parts(info.linkname)
        if not target:
            raise UnsafeArchiveError(f"{info.name!r} is a hard link to a directory")
        with self._folder(target[:-1]) as source:
            if not stat.S_ISREG(os.lstat(target[-1], dir_fd=source).st_mode):
                raise UnsafeArchiveError(f"{info.name!r} is a hard link to what is no file")
            os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    @contextlib.contextmanager
    def _folder(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """A directory below the root, open, reached without following a link."""
        folder = os.dup(self._root)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=folder)
                try:
                    below = os.open(part, _FOLDER, dir_fd=folder)
                except OSError as error:
                    raise UnsafeArchiveError(
                        f"{'/'.join(parts)!r} is below {part!r}, which is no directory: {error}"
                    ) from error
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


def _parts(name: str) -> tuple[str, ...]:
    """The names on the way to a member."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise UnsafeArchiveError(f"{name!r} would not stay below the directory")
    return parts


def _stays_inside(target: str, depth: int) -> bool:
    """Whether a link in a directory `depth` levels down cannot lead above level 0.

    `..` may come first only: behind a name it would be relative to wherever that leads.
    """
    if target.startswith("/"):
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return ups <= depth and ".." not in parts[ups:]


def _make_way(folder: int, name: str) -> None:
    """Remove a file or link that is in place; a directory stays, and is in the way."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _write_file(folder: int, name: str, info: tarfile.TarInfo, stored: _Stored) -> None:
    descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
    try:
        for start, size in _segments(info):
            _copy(stored, descriptor, start, size)
        os.truncate(descriptor, info.size)
        _finish(descriptor, info)
    finally:
        os.close(descriptor)


def _segments(info: tarfile.TarInfo) -> _Segments:
    """Where a file has data; the rest are holes."""
    # Pairs, whatever its declared type says.
    return [(0, info.size)] if info.sparse is None else list(cast("_Segments", info.sparse))


def _copy(stored: Readable, descriptor: int, start: int, size: int) -> None:
    os.lseek(descriptor, start, os.SEEK_SET)
    while size:
        data = stored.read(min(size, _CHUNK))
        if not data:
            raise tarfile.ReadError("it ends within a file")
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        size -= len(data)


def _finish(descriptor: int, info: tarfile.TarInfo) -> None:
    """Give a file or directory, which is open, its mode and times."""
    os.fchmod(descriptor, info.mode & 0o777)
    _set_times(info, descriptor)


def _set_times(info: tarfile.TarInfo, path: int | str, folder: int | None = None) -> None:
    time = _nanoseconds(info)
    if isinstance(path, int):
        os.utime(path, ns=(time, time))
    else:
        os.utime(path, ns=(time, time), dir_fd=folder, follow_symlinks=False)


def _nanoseconds(info: tarfile.TarInfo) -> int:
    """The time of a member; `info.mtime` is a float, which has no room for nanoseconds."""
    seconds, _, fraction = str(info.pax_headers.get("mtime", int(info.mtime))).partition(".")
    try:
        return int(seconds) * 10**9 + int(f"{fraction[:9]:0<9}")
    except ValueError as error:
        raise UnsafeArchiveError(f"{info.name!r} has no sensible time: {error}") from error
