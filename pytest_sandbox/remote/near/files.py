"""File operations in a sandbox on another machine."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.checks import is_absolute_path
from pytest_sandbox.engine import Files

from ..wire.entries import (
    entry_from_wire,
    entry_of_directory_from_wire,
    event_from_wire,
)
from ..wire.texts import text_to_wire
from .open_file import RemoteOpenFile
from .streams import parts_of, sent_and_answered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_sandbox.engine import Entry, OpenFile, WatchEvent

    from .calls import NearCalls
    from .life import TaskLife

#: More than the disk of a sandbox has room for.
_MOST_ENTRIES = 4_000_000


class RemoteFiles(Files):
    """Files of one task.

    Args:
        calls: of the engine.
        life: of the task.
    """

    def __init__(self, calls: NearCalls, life: TaskLife) -> None:
        self._calls = calls
        self._stub = calls.stub
        self._life = life

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file."""
        request = pb.OpenRequest(task=self._task(), path=checked_path(path))
        try:
            request.flags, request.mode = flags, mode
        except ValueError:
            raise OSError(errno.EINVAL, "flags or a mode that there are not", path) from None
        reply = await self._calls.ask(self._stub.Open, request)
        return RemoteOpenFile(self._calls, self._life, reply.file, path)

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path."""
        request = pb.StatRequest(task=self._task(), path=checked_path(path), follow=follow)
        reply = await self._calls.ask(self._stub.Stat, request)
        with self._calls.honest():
            return entry_from_wire(reply.entry, path)

    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name."""
        request = pb.PathRequest(task=self._task(), path=checked_path(path))
        entries: list[Entry] = []
        async with self._calls.open(self._stub.ListDirectory) as call:
            await call.send(request, end=True)
            while (reply := await call.receive()) is not None:
                with self._calls.honest():
                    entries += [entry_of_directory_from_wire(each, path) for each in reply.entries]
                if len(entries) > _MOST_ENTRIES:
                    raise OSError(errno.EIO, "the directory has more entries than the limit", path)
        return entries

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory."""
        request = pb.MakeDirectoryRequest(task=self._task(), path=checked_path(path))
        request.parents = parents
        await self._calls.ask(self._stub.MakeDirectory, request)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a name, and all below it if `recursive`."""
        request = pb.RemoveRequest(task=self._task(), path=checked_path(path), recursive=recursive)
        await self._calls.ask(self._stub.Remove, request)

    async def replace(self, source: str, target: str) -> None:
        """Rename a file over another, whose mode and owner it gets."""
        request = pb.ReplaceRequest(
            task=self._task(), source=checked_path(source), target=checked_path(target)
        )
        await self._calls.ask(self._stub.Replace, request)

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory."""
        request = pb.WatchRequest(task=self._task(), path=checked_path(path), recursive=recursive)
        async with self._calls.open(self._stub.Watch) as call:
            await call.send(request, end=True)
            while (reply := await call.receive()) is not None:
                with self._calls.honest():
                    event = event_from_wire(reply)
                yield event

    async def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream, or a file."""
        request = pb.PackRequest(task=self._task(), path=checked_path(path), file=file)
        async with self._calls.open(self._stub.Pack) as call:
            await call.send(request, end=True)
            while (part := await call.receive()) is not None:
                yield part.data

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory."""
        first = pb.UnpackRequest(task=self._task(), path=checked_path(path))
        await sent_and_answered(
            self._calls,
            self._stub.Unpack,
            parts_of(stream, first, lambda data: pb.UnpackRequest(data=data)),
        )

    def _task(self) -> int:
        self._life.check()
        return self._life.number


def checked_path(path: str) -> bytes:
    """The bytes of an absolute path.

    Raises:
        OSError: `EINVAL`: it is none.
    """
    if is_absolute_path(path):
        try:
            return text_to_wire(path)
        except ValueError:
            pass
    raise OSError(errno.EINVAL, "not an absolute path", path)
