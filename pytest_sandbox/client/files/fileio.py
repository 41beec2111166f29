"""`FileIO`: a file in a sandbox, open."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._shared.pickling import Unpicklable

from ..process.decoding import decode
from ..process.splitting import Lines
from ..transport.dual import dual, faces
from .pending_read import read_aio, read_blocking

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from .remote_file import RemoteFile

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)

#: Modal's limits, in bytes: of one message, of a `write` and of a `read`.
WRITE_CHUNK_SIZE = 16 * 1024 * 1024
WRITE_FILE_SIZE_LIMIT = 1024 * 1024 * 1024
READ_FILE_SIZE_LIMIT = 100 * 1024 * 1024


class FileIO(Unpicklable, Generic[T]):
    """A file in a sandbox, open. Get one with `Sandbox.open`; it closes at the end of a `with`.

    Text is UTF-8. The position counts bytes. Operations are done one after another, in the order
    of the calls.

    A read that is cancelled, times out or is interrupted loses nothing: the next one
    continues where it was. Other operations run to their end.

    Attributes:
        remote: the file as this package sees it.
    """

    instead = "pass its sandbox and path, and open it there"

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote

    def __repr__(self) -> str:
        state = "closed" if self.remote.closed else "open"
        return f"FileIO({self.remote.path!r}, {self.remote.mode.text!r}, {state})"

    def _read(self, n: int | None = None) -> T:
        self._check_size(n)
        return read_blocking(lambda pending: self.remote.read(pending, n), self._given)

    async def _read_aio(self, n: int | None = None) -> T:
        """Read from the position on.

        Args:
            n: at most so many bytes, up to 100 MiB; all there are, if not given.

        Raises:
            io.UnsupportedOperation: the file is not open for reading.
            UnicodeDecodeError: it is not UTF-8, and was opened as text.
        """
        self._check_size(n)
        return await read_aio(lambda pending: self.remote.read(pending, n), self._given)

    read = faces(_read, _read_aio)

    def _readline(self) -> T:
        self.remote.check_readable()
        return read_blocking(self.remote.read_line, self._given)

    async def _readline_aio(self) -> T:
        """Read a line, with its newline; empty at the end of the file."""
        self.remote.check_readable()
        return await read_aio(self.remote.read_line, self._given)

    readline = faces(_readline, _readline_aio)

    def _readlines(self) -> Sequence[T]:
        self.remote.check_readable()
        return read_blocking(lambda pending: self.remote.read(pending, None), self._lines)

    async def _readlines_aio(self) -> Sequence[T]:
        """Read all lines from the position on."""
        self.remote.check_readable()
        return await read_aio(lambda pending: self.remote.read(pending, None), self._lines)

    readlines = faces(_readlines, _readlines_aio)

    @dual
    async def write(self, data: T) -> None:
        """Write at the position, or at the end if the file is open for appending.

        Args:
            data: text or bytes, as the file was opened; up to 1 GiB.

        Raises:
            io.UnsupportedOperation: the file is not open for writing.
        """
        self.remote.check_writable()
        content = self._sent(data)
        if len(content) > WRITE_FILE_SIZE_LIMIT:
            raise ValueError(f"write() of {len(content)} bytes: at most {WRITE_FILE_SIZE_LIMIT}")
        await self.remote.write(content, WRITE_CHUNK_SIZE)

    @dual
    async def flush(self) -> None:
        """Have all that was written appear in the file."""
        self.remote.check_writable()
        request = pb.ContainerFileFlushRequest(file_descriptor=self.remote.descriptor)
        await self.remote.run(file_flush_request=request)

    @dual
    async def seek(self, offset: int, whence: int = 0) -> None:
        """Move the position.

        Args:
            offset: bytes.
            whence: from where: 0 the beginning, 1 the position, 2 the end.
        """
        self.remote.check_open()
        if whence not in (io.SEEK_SET, io.SEEK_CUR, io.SEEK_END):
            raise ValueError(f"whence={whence!r} is none of 0, 1 and 2")
        if not -(2**31) <= offset < 2**31:
            raise ValueError(f"offset={offset} does not fit the protocol, which has 32 bits for it")
        request = pb.ContainerFileSeekRequest(
            file_descriptor=self.remote.descriptor,
            offset=offset,
            whence=cast("pb.SeekWhence", whence),
        )
        await self.remote.run(file_seek_request=request)

    @dual
    async def close(self) -> None:
        """Write what is left, and close the file; a second time does nothing."""
        await self.remote.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close.aio()

    def _given(self, content: bytes) -> T:
        return cast(
            "T", content if self.remote.mode.binary else decode(content, "open(path, 'rb')")
        )

    def _lines(self, content: bytes) -> Sequence[T]:
        lines = Lines()
        return [self._given(line) for line in lines.feed(content) + lines.end()]

    def _sent(self, data: T) -> bytes:
        path = self.remote.path
        if self.remote.mode.binary:
            if isinstance(data, str):
                raise TypeError(f"{path!r} is open as bytes, so it cannot take {data[:80]!r}")
            return bytes(data)
        if not isinstance(data, str):
            raise TypeError(f"{path!r} is open as text, so it cannot take {data[:80]!r}")
        return data.encode()

    def _check_size(self, n: int | None) -> None:
        self.remote.check_readable()
        if n is not None and not 0 <= n <= READ_FILE_SIZE_LIMIT:
            raise ValueError(f"read({n}) is not between 0 and {READ_FILE_SIZE_LIMIT} (100 MiB)")
