"""An open file in a sandbox on another machine."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import OpenFile

from ..wire.malformed import Malformed
from .streams import PART

if TYPE_CHECKING:
    from .calls import NearCalls
    from .life import TaskLife


class RemoteOpenFile(OpenFile):
    """A regular file, open.

    Args:
        calls: of the engine.
        life: of its task.
        number: what the far side calls it.
        path: for messages.
    """

    def __init__(self, calls: NearCalls, life: TaskLife, number: int, path: str) -> None:
        self._calls = calls
        self._stub = calls.stub
        self._life = life
        self._number = number
        self._path = path
        self._closed = False

    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        self._check(offset, size)
        request = pb.ReadRequest(file=self._number, offset=offset, size=size)
        parts: list[bytes] = []
        left = size
        async with self._calls.open(self._stub.Read) as call:
            await call.send(request, end=True)
            while (part := await call.receive()) is not None:
                data = part.data
                parts.append(data)
                left -= len(data)
                if left < 0:
                    raise self._calls.lost(Malformed("more was read than asked for"))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if open for appending."""
        self._check(offset)
        view = memoryview(data)
        first = pb.WriteRequest(file=self._number, offset=offset, data=bytes(view[:PART]))
        async with self._calls.open(self._stub.Write) as call:
            await call.send(first, end=len(view) <= PART)
            for start in range(PART, len(view), PART):
                part = pb.WriteRequest(data=bytes(view[start : start + PART]))
                await call.send(part, end=start + PART >= len(view))
            await call.answer()
            await call.receive()

    async def size(self) -> int:
        """Bytes in the file now."""
        self._check()
        reply = await self._calls.ask(self._stub.Size, pb.FileRequest(file=self._number))
        return reply.size

    async def truncate(self, size: int) -> None:
        """Cut or extend the file."""
        self._check(size)
        request = pb.TruncateRequest(file=self._number, size=size)
        await self._calls.ask(self._stub.Truncate, request)

    async def close(self) -> None:
        """Release the file."""
        if not self._closed:
            self._closed = True
            if self._life.end is None:
                await self._calls.ask(self._stub.CloseFile, pb.FileRequest(file=self._number))

    def _check(self, *numbers: int) -> None:
        self._life.check()
        if self._closed:
            raise OSError(errno.EBADF, "the file is closed", self._path)
        if not all(0 <= number < 2**63 for number in numbers):
            raise OSError(errno.EINVAL, "an offset or a size that no file has", self._path)
