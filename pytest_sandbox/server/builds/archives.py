"""Tar archives of the context, which ADD unpacks, and tars whose members get other owners."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import lzma
from typing import IO, TYPE_CHECKING, cast

from pytest_sandbox._shared.tar.header import padding
from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox._shared.tar.writer import END, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from _typeshed import WriteableBuffer

    from ..volumes.uploads import FileContent

_OPEN: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast("IO[bytes]", lzma.LZMAFile(file)),  # noqa: SIM115 - the caller reads it
}
#: Where a header of a tar says that it is one: pax(1), "ustar Interchange Format".
_MAGIC = slice(257, 262)
_DAMAGED = (EOFError, OSError, lzma.LZMAError)


class _Bytes(io.RawIOBase):
    """A content that was uploaded, as a file."""

    def __init__(self, upload: FileContent) -> None:
        self._chunks = upload.chunks()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._rest or next(self._chunks, b"")
        taken, self._rest = data[: len(view)], data[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def _opened(upload: FileContent) -> IO[bytes]:
    file = io.BufferedReader(_Bytes(upload))
    start = file.peek(8)[:8]
    known = next((make for magic, make in _OPEN.items() if start.startswith(magic)), None)
    return file if known is None else known(file)


def is_archive(upload: FileContent) -> bool:
    """Whether a content is a tar, compressed or not."""
    try:
        return _opened(upload).read(512)[_MAGIC] == b"ustar"
    except _DAMAGED:
        return False


def unpacked(upload: FileContent, change: Callable[[Member], bool]) -> AsyncIterator[bytes]:
    """The tar in an archive; see `changed`."""
    return changed(_opened(upload), change)


async def changed(file: IO[bytes], change: Callable[[Member], bool]) -> AsyncIterator[bytes]:
    """A tar whose members are changed.

    Args:
        file: the tar.
        change: changes a member, or says that it is left out.

    Raises:
        OSError: it is no tar, or it is damaged.
    """
    stream = _changed(file, change)
    while (data := await asyncio.to_thread(next, stream, None)) is not None:
        yield data


def _changed(file: IO[bytes], change: Callable[[Member], bool]) -> Iterator[bytes]:
    try:
        reader = Reader(file.read)
        for member in reader:
            if not change(member):
                continue
            yield from write(member)
            if member.kind is MemberKind.FILE:
                for _, data in reader.contents(member):
                    yield data
                yield bytes(padding(member.stored))
    except (ValueError, EOFError, lzma.LZMAError) as error:
        raise OSError(f"the archive is damaged: {error}") from error
    yield END
