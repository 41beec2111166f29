"""Calls about the files of a task."""

from __future__ import annotations

import errno
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from pytest_sandbox._proto import engine_pb2 as pb

from ..wire.entries import entry_to_wire, event_to_wire
from ..wire.texts import text_from_wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pytest_sandbox.engine import Files

    from .held import Held

#: Bytes of one part of what is read.
_PART = 1024 * 1024
#: Entries of a directory in one answer.
_ENTRIES = 2000


class FarFileCalls:
    """Serves them.

    Args:
        held: what the session holds.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    # Open files

    async def open(self, request: pb.OpenRequest) -> pb.OpenReply:
        """Open a regular file."""
        self._held.check_room()
        files = self._files(request.task)
        file = await files.open(text_from_wire(request.path), request.flags, request.mode)
        return pb.OpenReply(file=self._held.add_file(file))

    async def read(self, request: pb.ReadRequest) -> AsyncIterator[pb.Part]:
        """Up to so many bytes at an offset."""
        file = self._held.file(request.file)
        offset, left = _number(request.offset), _number(request.size)
        while left:
            wanted = min(left, _PART)
            data = await file.pread(offset, wanted)
            yield pb.Part(data=data)
            offset, left = offset + len(data), left - len(data)
            if len(data) < wanted:
                break

    async def write(self, requests: AsyncIterator[pb.WriteRequest]) -> pb.Done:
        """Write bytes at an offset, part by part."""
        first = await anext(requests)
        file = self._held.file(first.file)
        offset = _number(first.offset)
        await file.pwrite(offset, first.data)
        offset += len(first.data)
        async for request in requests:
            await file.pwrite(offset, request.data)
            offset += len(request.data)
        return pb.Done()

    async def size(self, request: pb.FileRequest) -> pb.SizeReply:
        """Bytes in the file now."""
        return pb.SizeReply(size=await self._held.file(request.file).size())

    async def truncate(self, request: pb.TruncateRequest) -> pb.Done:
        """Cut or extend the file."""
        await self._held.file(request.file).truncate(_number(request.size))
        return pb.Done()

    async def close_file(self, request: pb.FileRequest) -> pb.Done:
        """Release the file."""
        file = self._held.take_file(request.file)
        if file is not None:
            await file.close()
        return pb.Done()

    # Paths

    async def stat(self, request: pb.StatRequest) -> pb.StatReply:
        """Describe a path."""
        files = self._files(request.task)
        entry = await files.stat(text_from_wire(request.path), follow=request.follow)
        return pb.StatReply(entry=entry_to_wire(entry))

    async def list_directory(self, request: pb.PathRequest) -> AsyncIterator[pb.EntriesReply]:
        """Describe what a directory holds."""
        entries = await self._files(request.task).listdir(text_from_wire(request.path))
        for start in range(0, len(entries), _ENTRIES):
            part = entries[start : start + _ENTRIES]
            yield pb.EntriesReply(entries=map(entry_to_wire, part))

    async def make_directory(self, request: pb.MakeDirectoryRequest) -> pb.Done:
        """Make a directory."""
        files = self._files(request.task)
        await files.mkdir(text_from_wire(request.path), parents=request.parents)
        return pb.Done()

    async def remove(self, request: pb.RemoveRequest) -> pb.Done:
        """Remove a name, and all below it if asked for."""
        files = self._files(request.task)
        await files.remove(text_from_wire(request.path), recursive=request.recursive)
        return pb.Done()

    async def replace(self, request: pb.ReplaceRequest) -> pb.Done:
        """Rename a file over another."""
        files = self._files(request.task)
        await files.replace(text_from_wire(request.source), text_from_wire(request.target))
        return pb.Done()

    async def watch(self, request: pb.WatchRequest) -> AsyncIterator[pb.WatchReply]:
        """Changes to a file or below a directory."""
        files = self._files(request.task)
        watching = files.watch(text_from_wire(request.path), recursive=request.recursive)
        async with closed_after(watching) as events:
            async for event in events:
                yield event_to_wire(event)

    async def pack(self, request: pb.PackRequest) -> AsyncIterator[pb.Part]:
        """A directory's contents as a tar, or a file."""
        files = self._files(request.task)
        packing = files.pack(text_from_wire(request.path), file=request.file)
        async with closed_after(packing) as parts:
            async for data in parts:
                for part in in_parts(data):
                    yield part

    async def unpack(self, requests: AsyncIterator[pb.UnpackRequest]) -> pb.Done:
        """Write the contents of a tar below a directory."""
        first = await anext(requests)
        files = self._files(first.task)

        async def stream() -> AsyncIterator[bytes]:
            async for request in requests:
                yield request.data

        await files.unpack(text_from_wire(first.path), stream())
        return pb.Done()

    def _files(self, task: int) -> Files:
        return self._held.task(task).files


def closed_after(iterator: AsyncIterator[Any]) -> aclosing[Any]:
    """An iterator of an engine, closed at the end of a `with`; those of engines are generators."""
    return aclosing(cast("Any", iterator))


def in_parts(data: bytes) -> Iterator[pb.Part]:
    """Bytes as messages of a bounded size."""
    if len(data) <= _PART:
        yield pb.Part(data=data)
        return
    view = memoryview(data)
    for start in range(0, len(view), _PART):
        yield pb.Part(data=bytes(view[start : start + _PART]))


def _number(value: int) -> int:
    """An offset or a size: what no file has is refused before it is a number of C."""
    if value >= 2**63:
        raise OSError(errno.EINVAL, "an offset or a size that no file has")
    return value
