"""A directory of this machine as a tar: links, modes, times and holes kept."""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
from typing import IO, TYPE_CHECKING, Protocol, cast

from ..exceptions import InvalidError
from .bridge import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator

__tracebackhide__ = True  # a failing test shows the caller's line, not these


_BLOCK = 512


class Writable(Protocol):
    """A file that can be written from front to back."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


def pack(folder: str, sink: Writable) -> None:
    """Write what a directory holds, and the directory itself as `.`, to a sink.

    Raises:
        InvalidError: something in it is no file, directory or link.
        OSError: something in it cannot be read.
    """
    # A tar that is written as a stream needs no more of a file than `write`.
    file = cast("IO[bytes]", sink)
    with tarfile.open(fileobj=file, mode="w|", bufsize=PIECE, format=tarfile.PAX_FORMAT) as archive:
        for path, name in _walk(folder):
            _add(archive, path, name)


def _walk(folder: str) -> Iterator[tuple[str, str]]:
    """Paths, and their names in the archive: directories before what they hold, sorted."""
    yield folder, "."
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for entry in sorted([*folders, *files]):
            path = os.path.join(root, entry)
            yield path, os.path.relpath(path, folder)


def _raise(error: OSError) -> None:
    raise error


def _add(archive: tarfile.TarFile, path: str, name: str) -> None:
    info = archive.gettarinfo(path, arcname=name)
    # Whoever owns it here is nobody in the sandbox, where it belongs to root.
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        raise InvalidError(f"{path} is no file, directory or link, so it cannot be uploaded")
    # Header fields cannot hold fractions of a second, POSIX' extended ones can.
    info.mtime = os.lstat(path).st_mtime_ns // 10**9
    info.pax_headers = {"mtime": _decimal(os.lstat(path).st_mtime_ns)}
    if not info.isreg():
        archive.addfile(info)
        return
    with open(path, "rb") as file:
        _add_file(archive, info, file)


def _decimal(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds}.{rest:09d}"


def _add_file(archive: tarfile.TarFile, info: tarfile.TarInfo, file: IO[bytes]) -> None:
    """Add a file, without its holes if it has some: as version 1.0 of GNU's sparse format."""
    info.size = os.fstat(file.fileno()).st_size
    segments = list(_segments(file.fileno(), info.size))
    held = sum(length for _, length in segments)
    if held == info.size:
        archive.addfile(info, file)
        return
    table = _table(segments)
    info.pax_headers = {
        **info.pax_headers,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(info.size),
    }
    info.name = os.path.join(os.path.dirname(info.name), "GNUSparseFile.0", "file")
    info.size = len(table) + held
    archive.addfile(info, _Held(table, file, segments))  # type: ignore[arg-type]


def _segments(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data: offsets and lengths (lseek(2), SEEK_DATA and SEEK_HOLE)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, end - start
    if end < size:
        yield size, 0  # a last, empty segment tells the size of the file
    os.lseek(descriptor, 0, os.SEEK_SET)


def _table(segments: list[tuple[int, int]]) -> bytes:
    """The map that precedes the data: decimal numbers in lines, padded to a block."""
    numbers = [len(segments), *(number for segment in segments for number in segment)]
    table = "".join(f"{number}\n" for number in numbers).encode()
    return table + b"\0" * (-len(table) % _BLOCK)


class _Held:
    """What is stored of a file with holes: the map, then the data, as one file to read."""

    def __init__(self, table: bytes, file: IO[bytes], segments: list[tuple[int, int]]) -> None:
        self._table = io.BytesIO(table)
        self._file = file
        self._segments = iter(segments)
        self._left = 0

    def read(self, size: int) -> bytes:
        parts = [self._table.read(size)]
        missing = size - len(parts[0])
        while missing:
            if not self._left and not self._next_segment():
                break
            data = self._file.read(min(missing, self._left))
            if not data:
                break  # it shrank meanwhile; tarfile reports that
            parts.append(data)
            self._left -= len(data)
            missing -= len(data)
        return b"".join(parts)

    def _next_segment(self) -> bool:
        for start, length in self._segments:
            if length:
                self._file.seek(start)
                self._left = length
                return True
        return False


def check_folder(path: str | os.PathLike[str]) -> str:
    """The path of a directory of this machine.

    Raises:
        FileNotFoundError, NotADirectoryError: it is none.
    """
    text = os.fspath(path)
    if not stat.S_ISDIR(os.stat(text).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), text)
    return text
