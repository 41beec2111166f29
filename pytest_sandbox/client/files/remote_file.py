"""An open file of a sandbox: its operations in order, and what was read ahead.

A caller that waits for an operation may be cancelled, time out or be interrupted. The operation
continues all the same: by then the server may have moved the position of the file. What such an
abandoned read got is kept, and given to the next one.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._shared.async_tasks import background

from .file_mode import FileMode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

    from .file_calls import FileCalls
    from .pending_read import PendingRead

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: Bytes that the protocol can move the position at a time: an `int32`.
_MAX_SEEK = 2**31 - 1


class RemoteFile:
    """An open file. Its coroutines run on the portal's loop.

    Args:
        calls: makes the calls.
        path: of the file, for errors.
        mode: how to open it.

    Attributes:
        descriptor: what the server knows it by.
    """

    def __init__(self, calls: FileCalls, path: str, mode: str) -> None:
        self.path = path
        self.mode = FileMode(mode)
        self.closed = True
        self._calls = calls
        self.descriptor = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        #: Bytes between the position that callers know, and that of the server behind it.
        self._ahead = bytearray()
        #: Reads that have their bytes, and of which it is not known whether a caller took them.
        self._pending: list[PendingRead] = []

    async def open(self) -> Self:
        """Open it.

        Raises:
            OSError, FilesystemExecutionError: it cannot be opened.
        """
        request = pb.ContainerFileOpenRequest(path=self.path, mode=self.mode.text)
        response = await self._calls.start(file_open_request=request)
        self.descriptor = response.file_descriptor
        await self._calls.result(self.path, response.exec_id)
        self.closed = False
        return self

    async def read(self, pending: PendingRead, size: int | None) -> None:
        """Read so many bytes, or with `None` all that are left; fewer at the end of the file."""

        async def fetch() -> int | None:
            missing = None if size is None else size - len(self._ahead)
            if missing is None or missing > 0:
                request = pb.ContainerFileReadRequest(file_descriptor=self.descriptor, n=missing)
                self._ahead += await self._calls.run(self.path, file_read_request=request)
            return size

        await self._read(pending, fetch)

    async def read_line(self, pending: PendingRead) -> None:
        """Read a line, with its newline; what is left if there is none."""

        async def fetch() -> int | None:
            if b"\n" not in self._ahead:
                request = pb.ContainerFileReadLineRequest(file_descriptor=self.descriptor)
                self._ahead += await self._calls.run(self.path, file_read_line_request=request)
            return self._ahead.find(b"\n") + 1 or None

        await self._read(pending, fetch)

    async def _read(self, pending: PendingRead, fetch: Callable[[], Awaitable[int | None]]) -> None:
        async def work() -> None:
            if pending.over:  # its caller gave up while others had their turn
                return
            size = await fetch()
            pending.data = bytes(self._ahead[:size])
            del self._ahead[:size]
            self._pending.append(pending)

        await self._in_turn(work)

    async def write(self, data: bytes, chunk_size: int) -> None:
        """Write, in chunks of at most so many bytes."""

        async def work() -> None:
            await self._give_back()
            for start in range(0, len(data), chunk_size):
                chunk = data[start : start + chunk_size]
                request = pb.ContainerFileWriteRequest(file_descriptor=self.descriptor, data=chunk)
                await self._calls.run(self.path, file_write_request=request)

        await self._in_turn(work)

    async def run(self, **operation: Any) -> None:
        """Run another operation, with the position where callers know it to be.

        Args:
            **operation: as `FileCalls.start` takes it.
        """

        async def work() -> None:
            await self._give_back()
            await self._calls.run(self.path, **operation)

        await self._in_turn(work)

    async def close(self) -> None:
        """Close it; a second time does nothing."""

        async def work() -> None:
            request = pb.ContainerFileCloseRequest(file_descriptor=self.descriptor)
            await self._calls.run(self.path, file_close_request=request)

        if not self.closed:
            self.closed = True
            await self._in_turn(work)

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work once all that was begun before is done; cancelling the caller does not end it."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the one before has ended, or is that of a parent process
            self._loop, self._turn = loop, asyncio.Lock()

        async def turn() -> T:
            async with self._turn:
                self._take_back()
                return await work()

        return await asyncio.shield(background(turn()))

    def _take_back(self) -> None:
        """Put the bytes of abandoned reads back, for the next read."""
        unsettled = []
        for pending in reversed(self._pending):
            if not pending.over:  # asked first: once a read is over, `taken` does not change
                unsettled.append(pending)
            elif not pending.taken:
                self._ahead[:0] = pending.data
        self._pending = unsettled[::-1]

    async def _give_back(self) -> None:
        """Have the server move its position back to the one that callers know."""
        while self._ahead:
            step = min(len(self._ahead), _MAX_SEEK)
            request = pb.ContainerFileSeekRequest(
                file_descriptor=self.descriptor, offset=-step, whence=pb.SEEK_CUR
            )
            await self._calls.run(self.path, file_seek_request=request)
            del self._ahead[-step:]

    def check_open(self) -> None:
        """Raise `ValueError` unless it is open."""
        if self.closed:
            raise ValueError(f"{self.path!r} is closed")

    def check_readable(self) -> None:
        """Raise `ValueError` unless it is open, and `UnsupportedOperation` unless for reading."""
        self.check_open()
        if not self.mode.readable:
            raise io.UnsupportedOperation(
                f"{self.path!r} is not readable: its mode is {self.mode.text!r}"
            )

    def check_writable(self) -> None:
        """Raise `ValueError` unless it is open, and `UnsupportedOperation` unless for writing."""
        self.check_open()
        if not self.mode.writable:
            raise io.UnsupportedOperation(
                f"{self.path!r} is not writeable: its mode is {self.mode.text!r}"
            )
