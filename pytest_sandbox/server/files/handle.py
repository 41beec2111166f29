"""An open file with a position, like Modal's `FileIO`, over files that are addressed by offset.

Its use of memory is bounded, whatever the size of the file: reading returns a range, which is
sent in pieces.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import OpenFile

from ..rpc.answers import Room
from ..rpc.call import unlimited
from ..rpc.errors import invalid

#: Bytes moved at a time.
CHUNK = 1024 * 1024
#: Bytes read at a time to find the end of a line.
_LINE_CHUNK = 16 * 1024

_FLAGS = {
    "r": 0,
    "w": os.O_CREAT | os.O_TRUNC,
    "a": os.O_CREAT | os.O_APPEND,
    "x": os.O_CREAT | os.O_EXCL,
}


@dataclass(frozen=True)
class OpenMode:
    """The mode of an open file.

    Attributes:
        flags: of open(2), for the engine. A writable file is readable too, because replacing bytes
            in the middle moves the bytes after them.
        readable: whether the client may read.
        writable: whether the client may write.
        append: whether everything is written at the end.
    """

    flags: int
    readable: bool
    writable: bool
    append: bool

    @classmethod
    def parse(cls, text: str) -> "OpenMode":
        """A mode as `open()` takes it: one of `r w a x`, with `+` and `b` if wanted.

        Raises:
            GRPCError: INVALID_ARGUMENT.
        """
        letters = [letter for letter in text if letter in _FLAGS]
        if len(letters) != 1 or len(set(text)) != len(text) or set(text) - {*letters, "+", "b"}:
            raise invalid(
                f"{text!r} is not a mode of a file: use one of r, w, a, x, with + or b or both"
            )
        (letter,) = letters
        writable = letter != "r" or "+" in text
        access = os.O_RDWR if writable else os.O_RDONLY
        return cls(
            access | _FLAGS[letter], letter == "r" or "+" in text, writable, append=letter == "a"
        )


@dataclass(frozen=True)
class ByteRange:
    """Bytes of a file, from `start` up to, not including, `end`."""

    file: OpenFile
    start: int
    end: int

    async def chunks(self, room: Room = unlimited) -> AsyncIterator[bytes]:
        """The bytes in pieces; fewer if the file has become shorter.

        Args:
            room: asked for that of each piece.
        """
        offset = self.start
        while offset < self.end:
            data = await self.file.pread(offset, await room(min(CHUNK, self.end - offset)))
            if not data:
                return
            yield data
            offset += len(data)


class FileHandle:
    """One open file of a client.

    Args:
        file: of the engine.
        mode: how it was opened.
    """

    def __init__(self, file: OpenFile, mode: OpenMode) -> None:
        self._file = file
        self._mode = mode
        self._position = 0
        self._turn = asyncio.Lock()

    async def read(self, size: int | None) -> ByteRange:
        """The next `size` bytes; `None` for all that are left.

        Raises:
            OSError: `EBADF`, not open for reading.
        """
        self._need(self._mode.readable, "reading")
        async with self._turn:
            end = await self._file.size()
            if size is not None:
                end = min(end, self._position + size)
            return self._take(max(end, self._position))

    async def read_line(self) -> ByteRange:
        """The next line with its newline; what is left if there is none.

        Raises:
            OSError: `EBADF`, not open for reading.
        """
        self._need(self._mode.readable, "reading")
        async with self._turn:
            offset = self._position
            while data := await self._file.pread(offset, _LINE_CHUNK):
                newline = data.find(b"\n")
                if newline >= 0:
                    return self._take(offset + newline + 1)
                offset += len(data)
            return self._take(offset)

    def _take(self, end: int) -> ByteRange:
        start, self._position = self._position, end
        return ByteRange(self._file, start, end)

    async def write(self, data: bytes) -> None:
        """Write at the position, or at the end of a file open for appending.

        Raises:
            OSError: `EBADF`, not open for writing; or of the kernel.
        """
        self._need(self._mode.writable, "writing")
        async with self._turn:
            await self._file.pwrite(self._position, data)
            if self._mode.append:
                self._position = await self._file.size()
            else:
                self._position += len(data)

    async def flush(self) -> None:
        """Do nothing: every write goes to the file at once.

        Raises:
            OSError: `EBADF`, not open for writing.
        """
        self._need(self._mode.writable, "writing")

    async def seek(self, offset: int, whence: "pb.SeekWhence") -> None:
        """Move the position.

        Raises:
            OSError: `EINVAL`, before the beginning of the file.
        """
        async with self._turn:
            base = 0
            if whence == pb.SEEK_CUR:
                base = self._position
            elif whence == pb.SEEK_END:
                base = await self._file.size()
            if base + offset < 0:
                raise OSError(errno.EINVAL, f"cannot seek to byte {base + offset}")
            self._position = base + offset

    async def replace(self, data: bytes, start: int | None, end: int | None) -> None:
        """Replace a range of bytes by `data`; the bytes after it move.

        Args:
            data: of any length.
            start: the first byte to replace; `None` for the beginning of the file.
            end: the first byte after the range; `None` for the end of the file.

        Raises:
            OSError: `EBADF`, not open for writing; `EINVAL`, no such range.
        """
        self._need(self._mode.writable and not self._mode.append, "writing anywhere")
        async with self._turn:
            size = await self._file.size()
            first = 0 if start is None else start
            last = size if end is None else min(end, size)
            if not first <= last:
                raise OSError(
                    errno.EINVAL, f"bytes {first} to {last} of {size} are no range of the file"
                )
            await self._move(last, size, first + len(data))
            await self._file.pwrite(first, data)

    async def _move(self, start: int, end: int, target: int) -> None:
        """Move bytes `start` to `end`, the last ones, to `target`; the file ends after them."""
        if target > start:
            # The ranges may overlap, so begin at the end.
            for high in range(end, start, -CHUNK):
                low = max(start, high - CHUNK)
                await self._file.pwrite(target + low - start, await self._whole(low, high))
        elif target < start:
            for low in range(start, end, CHUNK):
                high = min(end, low + CHUNK)
                await self._file.pwrite(target + low - start, await self._whole(low, high))
            await self._file.truncate(target + end - start)

    async def _whole(self, start: int, end: int) -> bytes:
        return b"".join([data async for data in ByteRange(self._file, start, end).chunks()])

    async def close(self) -> None:
        """Release the file."""
        async with self._turn:
            await self._file.close()

    def _need(self, allowed: bool, what: str) -> None:
        if not allowed:
            raise OSError(errno.EBADF, f"the file is not open for {what}")
