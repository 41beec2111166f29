"""`Sandbox.open` and the calls around it: files by Modal's older protocol.

An operation is two calls: one starts it, and one streams what comes of it.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pytest_sandbox._proto import containers_pb2 as pb

from ..exceptions import FilesystemExecutionError, InvalidError
from ..process.splitting import Lines
from ..transport.dual import Dual, dual
from ..transport.retries import CONTROL
from ..validation import check_path, check_seconds
from .watch_events import FileWatchEvent, FileWatchEventType, event, kinds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from ..process.task import Task
    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)

#: Modal's limits, in bytes: of one message, of a `write` and of a `read`.
WRITE_CHUNK_SIZE = 16 * 1024 * 1024
WRITE_FILE_SIZE_LIMIT = 1024 * 1024 * 1024
READ_FILE_SIZE_LIMIT = 100 * 1024 * 1024

#: Seconds that the server holds a request for output, as Modal's client asks.
_HOLD = 55.0

_BY_CODE: dict[int, type[Exception]] = {
    pb.SYSTEM_ERROR_CODE_PERM: PermissionError,
    pb.SYSTEM_ERROR_CODE_NOENT: FileNotFoundError,
    pb.SYSTEM_ERROR_CODE_IO: OSError,
    pb.SYSTEM_ERROR_CODE_NXIO: OSError,
    pb.SYSTEM_ERROR_CODE_NOMEM: MemoryError,
    pb.SYSTEM_ERROR_CODE_ACCES: PermissionError,
    pb.SYSTEM_ERROR_CODE_EXIST: FileExistsError,
    pb.SYSTEM_ERROR_CODE_NOTDIR: NotADirectoryError,
    pb.SYSTEM_ERROR_CODE_ISDIR: IsADirectoryError,
    pb.SYSTEM_ERROR_CODE_INVAL: OSError,
    pb.SYSTEM_ERROR_CODE_MFILE: OSError,
    pb.SYSTEM_ERROR_CODE_FBIG: OSError,
    pb.SYSTEM_ERROR_CODE_NOSPC: OSError,
}


class FileCalls:
    """The operations of the protocol, in one sandbox. On the portal's loop only."""

    def __init__(self, calls: Calls, task: Task) -> None:
        self._calls = calls
        self._task = task

    async def start(self, **operation: Any) -> pb.ContainerFilesystemExecResponse:
        """Start an operation, given as the field of the request that it is."""
        request = pb.ContainerFilesystemExecRequest(task_id=await self._task.id(), **operation)
        return await self._calls.control(
            lambda link: link.control.ContainerFilesystemExec, request, timeout=None
        )

    async def run(self, **operation: Any) -> bytes:
        """Run an operation to its end, and give what comes of it.

        Raises:
            OSError, FilesystemExecutionError: it failed.
        """
        return await self.result((await self.start(**operation)).exec_id)

    async def result(self, exec_id: str) -> bytes:
        """What comes of an operation."""
        return b"".join([chunk async for chunk in self.output(exec_id)])

    async def output(self, exec_id: str) -> AsyncGenerator[bytes, None]:
        """What comes of an operation, as it comes."""
        request = pb.ContainerFilesystemExecGetOutputRequest(exec_id=exec_id, timeout=_HOLD)
        ended = False
        while not ended:
            async for batch in self._calls.stream(
                lambda link: link.control.ContainerFilesystemExecGetOutput,
                lambda: request,
                {},
                CONTROL,
            ):
                for chunk in batch.output:
                    yield chunk
                if batch.HasField("error"):
                    raise _failure(batch.error)
                ended = batch.eof

    async def ls(self, path: str) -> list[str]:
        """The names in a directory."""
        listing = await self.run(file_ls_request=pb.ContainerFileLsRequest(path=path))
        try:
            return [str(name) for name in json.loads(listing)["paths"]]
        except (ValueError, KeyError, TypeError):
            raise FilesystemExecutionError(f"ls({path!r}) gave {listing[:200]!r}") from None

    async def mkdir(self, path: str, parents: bool) -> None:
        """Make a directory."""
        request = pb.ContainerFileMkdirRequest(path=path, make_parents=parents)
        await self.run(file_mkdir_request=request)

    async def rm(self, path: str, recursive: bool) -> None:
        """Remove a file or a directory."""
        await self.run(file_rm_request=pb.ContainerFileRmRequest(path=path, recursive=recursive))

    async def watch(
        self,
        path: str,
        wanted: Collection[FileWatchEventType] | None,
        recursive: bool,
        timeout: int | None,
    ) -> AsyncGenerator[FileWatchEvent, None]:
        """Changes to a path; each is a line of JSON, followed by an empty one."""
        check_path(path)
        check_seconds("timeout", timeout, least=0)
        types = kinds(wanted) if wanted else frozenset(FileWatchEventType)
        request = pb.ContainerFileWatchRequest(path=path, recursive=recursive, timeout_secs=timeout)
        started = await self.start(file_watch_request=request)
        lines = Lines()
        async for chunk in self.output(started.exec_id):
            for line in lines.feed(chunk):
                if line.strip() and (change := event(line)).type in types:
                    yield change


def _failure(error: pb.SystemErrorMessage) -> Exception:
    kind = _BY_CODE.get(error.error_code, FilesystemExecutionError)
    if issubclass(kind, OSError):
        return kind(error.error_code, error.error_message)
    return kind(error.error_message)


class _Mode:
    """What a mode of `open` stands for.

    Raises:
        ValueError: it is no mode.
    """

    def __init__(self, mode: str) -> None:
        letters = set(mode)
        if letters - set("rwaxb+") or len(letters) < len(mode) or len(letters & set("rwax")) != 1:
            raise ValueError(f"mode={mode!r} is not one of r, w, a and x, and then perhaps + and b")
        self.readable = bool(letters & set("r+"))
        self.writable = bool(letters & set("wax+"))
        self.binary = "b" in letters


class FileIO(Generic[T]):
    """A file in a sandbox, open. Get one with `Sandbox.open`; it closes at the end of a `with`.

    Text is UTF-8. The position counts bytes.
    """

    def __init__(self, calls: FileCalls, path: str, mode: str) -> None:
        self._calls = calls
        self._path = path
        self._mode = _Mode(mode)
        self._mode_text = mode
        self._descriptor = ""
        self._closed = True

    async def _open(self) -> Self:
        request = pb.ContainerFileOpenRequest(path=self._path, mode=self._mode_text)
        response = await self._calls.start(file_open_request=request)
        self._descriptor = response.file_descriptor
        await self._calls.result(response.exec_id)
        self._closed = False
        return self

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"FileIO({self._path!r}, {self._mode_text!r}, {state})"

    @dual
    async def read(self, n: int | None = None) -> T:
        """Read from the position on.

        Args:
            n: at most so many bytes, up to 100 MiB; all there are, if not given.

        Raises:
            io.UnsupportedOperation: the file is not open for reading.
            UnicodeDecodeError: it is not UTF-8, and was opened as text.
        """
        self._check_readable()
        if n is not None and not 0 <= n <= READ_FILE_SIZE_LIMIT:
            raise ValueError(f"read({n}) is not between 0 and {READ_FILE_SIZE_LIMIT} (100 MiB)")
        return self._given(await self._read(n))

    @dual
    async def readline(self) -> T:
        """Read a line, with its newline; empty at the end of the file."""
        self._check_readable()
        request = pb.ContainerFileReadLineRequest(file_descriptor=self._descriptor)
        return self._given(await self._calls.run(file_read_line_request=request))

    @dual
    async def readlines(self) -> Sequence[T]:
        """Read all lines from the position on."""
        self._check_readable()
        lines = Lines()
        return [self._given(line) for line in lines.feed(await self._read(None)) + lines.end()]

    @dual
    async def write(self, data: T) -> None:
        """Write at the position, or at the end if the file is open for appending.

        Args:
            data: text or bytes, as the file was opened; up to 1 GiB.

        Raises:
            io.UnsupportedOperation: the file is not open for writing.
        """
        self._check_writable()
        content = self._sent(data)
        if len(content) > WRITE_FILE_SIZE_LIMIT:
            raise ValueError(f"write() of {len(content)} bytes: at most {WRITE_FILE_SIZE_LIMIT}")
        for start in range(0, len(content), WRITE_CHUNK_SIZE):
            request = pb.ContainerFileWriteRequest(
                file_descriptor=self._descriptor, data=content[start : start + WRITE_CHUNK_SIZE]
            )
            await self._calls.run(file_write_request=request)

    @dual
    async def flush(self) -> None:
        """Have all that was written appear in the file."""
        self._check_writable()
        request = pb.ContainerFileFlushRequest(file_descriptor=self._descriptor)
        await self._calls.run(file_flush_request=request)

    @dual
    async def seek(self, offset: int, whence: int = 0) -> None:
        """Move the position.

        Args:
            offset: bytes.
            whence: from where: 0 the beginning, 1 the position, 2 the end.
        """
        self._check_open()
        if whence not in (io.SEEK_SET, io.SEEK_CUR, io.SEEK_END):
            raise ValueError(f"whence={whence!r} is none of 0, 1 and 2")
        if not -(2**31) <= offset < 2**31:
            raise ValueError(f"offset={offset} does not fit the protocol, which has 32 bits for it")
        request = pb.ContainerFileSeekRequest(
            file_descriptor=self._descriptor,
            offset=offset,
            whence=cast("pb.SeekWhence", whence),
        )
        await self._calls.run(file_seek_request=request)

    @dual
    async def close(self) -> None:
        """Write what is left, and close the file; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        request = pb.ContainerFileCloseRequest(file_descriptor=self._descriptor)
        await self._calls.run(file_close_request=request)

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

    async def _read(self, n: int | None) -> bytes:
        request = pb.ContainerFileReadRequest(file_descriptor=self._descriptor, n=n)
        return await self._calls.run(file_read_request=request)

    def _given(self, content: bytes) -> T:
        return cast("T", content if self._mode.binary else content.decode())

    def _sent(self, data: T) -> bytes:
        if self._mode.binary:
            if isinstance(data, str):
                raise TypeError(f"{self._path!r} is open as bytes, so it cannot take {data[:80]!r}")
            return bytes(data)
        if not isinstance(data, str):
            raise TypeError(f"{self._path!r} is open as text, so it cannot take {data[:80]!r}")
        return data.encode()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"{self._path!r} is closed")

    def _check_readable(self) -> None:
        self._check_open()
        if not self._mode.readable:
            raise io.UnsupportedOperation(
                f"{self._path!r} is not readable: its mode is {self._mode_text!r}"
            )

    def _check_writable(self) -> None:
        self._check_open()
        if not self._mode.writable:
            raise io.UnsupportedOperation(
                f"{self._path!r} is not writeable: its mode is {self._mode_text!r}"
            )


@Dual
async def delete_bytes(file: FileIO[Any], start: int | None = None, end: int | None = None) -> None:
    """Cut bytes out of a file.

    Args:
        file: open for writing.
        start: the first byte; the first of the file, if not given.
        end: the byte after the last; the end of the file, if not given.

    Raises:
        ValueError: `start` is not before `end`.
    """
    file._check_writable()
    if start is not None and end is not None and start >= end:
        raise ValueError(f"start={start} is not before end={end}")
    request = pb.ContainerFileDeleteBytesRequest(
        file_descriptor=file._descriptor, start_inclusive=start, end_exclusive=end
    )
    await file._calls.run(file_delete_bytes_request=request)


@Dual
async def replace_bytes(
    file: FileIO[Any], data: bytes, start: int | None = None, end: int | None = None
) -> None:
    """Put other bytes, not necessarily as many, in place of bytes of a file.

    Args:
        file: open for writing.
        data: the bytes to put there, up to 16 MiB.
        start: the first byte to go; the first of the file, if not given.
        end: the byte after the last to go; the end of the file, if not given.

    Raises:
        InvalidError: `start` is not before `end`, or there are too many bytes.
    """
    file._check_writable()
    if start is not None and end is not None and start >= end:
        raise InvalidError(f"start={start} is not before end={end}")
    if len(data) > WRITE_CHUNK_SIZE:
        raise InvalidError(f"{len(data)} bytes are more than {WRITE_CHUNK_SIZE} (16 MiB)")
    request = pb.ContainerFileWriteReplaceBytesRequest(
        file_descriptor=file._descriptor, data=data, start_inclusive=start, end_exclusive=end
    )
    await file._calls.run(file_write_replace_bytes_request=request)
