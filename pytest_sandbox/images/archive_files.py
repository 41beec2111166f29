"""The files in an archive of an image, which is a folder or a tar."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import posixpath
import stat
import zlib
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING

from pytest_sandbox._shared.tar.member import MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader

from .errors import DamagedImage, ImageNotFound, ImageTooLarge, shown
from .manifest import LARGEST_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .store_folder import ImageStore

_CHUNK = 1024 * 1024
_MOST_FILES = 10_000


class ArchiveFiles(ABC):
    """The files in an archive.

    Args:
        name: of the archive, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def __contains__(self, path: str) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def open(self, path: str) -> IO[bytes]:
        """A file, to be closed.

        Raises:
            DamagedImage: there is none.
        """

    def small(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            DamagedImage: there is none.
            ImageTooLarge: it is too large for a document.
        """
        with self.open(path) as file:
            data = file.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise ImageTooLarge(f"{shown(path)} of {self.name} has more than 4 MiB")
        return data

    def _missing(self, path: str) -> DamagedImage:
        return DamagedImage(f"{self.name} has no file {shown(path)!r}, which it refers to")


@contextlib.contextmanager
def opened(path: Path, store: ImageStore) -> Iterator[ArchiveFiles]:
    """The files of an archive.

    Args:
        path: of the archive.
        store: has room for what must be decompressed.

    Raises:
        ImageError: there is no archive.
        OSError: it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            yield _Folder(path)
            return
        try:
            # A FIFO would wait here for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise ImageNotFound(f"there is no archive {str(path)!r}") from None
        except (OSError, ValueError) as error:
            raise _unreadable(str(path), error) from None
        file: IO[bytes] = stack.enter_context(os.fdopen(descriptor, "rb"))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedImage(f"{str(path)!r} is neither a file nor a folder")
        try:
            begins = file.read(2)
        except OSError as error:  # of a file of /proc
            raise _unreadable(str(path), error) from None
        if begins == b"\x1f\x8b":
            file.seek(0)
            plain = stack.enter_context(store.new_file())
            _decompress(file, plain, store.limit, str(path))
            file = plain
        file.seek(0)
        yield _Tar(file, str(path))


def _unreadable(name: str, error: OSError | ValueError) -> DamagedImage:
    why = error.strerror if isinstance(error, OSError) else error
    return DamagedImage(f"the archive {name!r} cannot be read: {why}")


def _decompress(source: IO[bytes], target: IO[bytes], limit: int, name: str) -> None:
    written = 0
    try:
        with gzip.GzipFile(fileobj=source) as plain:
            while data := plain.read(_CHUNK):
                written += len(data)
                if written > limit:
                    raise ImageTooLarge(f"{name} has more than {limit} bytes when decompressed")
                target.write(data)
        target.flush()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedImage(f"{name} is not whole: {error}") from None


class _Folder(ArchiveFiles):
    """A folder.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def __contains__(self, path: str) -> bool:
        return (self._path / path).is_file()

    def size(self, path: str) -> int:
        with self.open(path) as file:
            return os.fstat(file.fileno()).st_size

    def open(self, path: str) -> IO[bytes]:
        if posixpath.isabs(path) or ".." in path.split("/"):
            raise self._missing(path)
        try:
            return (self._path / path).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise self._missing(path) from None


class _Tar(ArchiveFiles):
    """A tar; its members are looked up once.

    Args:
        file: of it, which can be read at any place.
        name: for messages.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(name)
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            for member in Reader(self._take):
                if len(self._places) + len(self._links) >= _MOST_FILES:
                    raise ImageTooLarge(f"{name} has more than {_MOST_FILES} files")
                path = posixpath.normpath(member.name)
                if member.kind is MemberKind.FILE:
                    if member.extents not in ([], [(0, member.size)]):
                        raise DamagedImage(f"{name} has a file with holes, {shown(path)!r}")
                    self._places[path] = (file.tell(), member.size)
                elif member.kind is MemberKind.SYMLINK:  # a layer that is there twice
                    target = posixpath.join(posixpath.dirname(path), member.target)
                    self._links[path] = posixpath.normpath(target)
                elif member.kind is MemberKind.HARD_LINK:
                    self._links[path] = posixpath.normpath(member.target)
        except (TarError, ValueError):
            # Not what the error says: it may quote a file that was never meant to be read.
            raise DamagedImage(f"{name} is not a tar, or is a damaged one") from None
        except OSError as error:
            raise _unreadable(name, error) from None

    def _take(self, size: int) -> bytes:
        return self._file.read(size)

    def _place(self, path: str) -> tuple[int, int]:
        normal = posixpath.normpath(path)
        place = self._places.get(normal) or self._places.get(self._links.get(normal, ""))
        if place is None:
            raise self._missing(path)
        return place

    def __contains__(self, path: str) -> bool:
        return path in self._places or path in self._links

    def size(self, path: str) -> int:
        return self._place(path)[1]

    def open(self, path: str) -> IO[bytes]:
        start, size = self._place(path)
        return io.BufferedReader(_Part(self._file, start, size), _CHUNK)


class _Part(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._at, self._end = start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._file.fileno(), min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
