"""File operations in a sandbox: asked for here, done inside."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from pytest_sandbox._shared.checks import is_absolute_path, is_root
from pytest_sandbox.engine import Entry, EntryKind, Files, OpenFile, WatchEvent, WatchKind

from ..protocol import foreign
from ..protocol.agent import (
    MakeDirectoryRequest,
    OpenRequest,
    RemoveRequest,
    ReplaceRequest,
    StatAnswer,
    StatRequest,
)
from ..protocol.common import Succeeded
from ..protocol.jobs import (
    DirectoryEntries,
    FileChanged,
    FileStatus,
    ListDirectoryJob,
    PackJob,
    RemoveTreeJob,
    UnpackJob,
    WatchJob,
)
from .file_threads import FileThreads
from .job_link import JobLink
from .open_file import LocalOpenFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..protocol.message import Message
    from .agent_link import AgentLink

#: More than a sandbox's disk has room for: a program that sends more is not our agent.
_MOST_ENTRIES = 4_000_000
_KINDS = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
}


class LocalFiles(Files):
    """Files of one task."""

    def __init__(self, link: AgentLink) -> None:
        self._link = link
        self._opened: set[LocalOpenFile] = set()
        self._threads = FileThreads()

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file."""
        check_path(path)
        fd = await self._link.request_descriptor(OpenRequest(path=path, flags=flags, mode=mode))
        # A hostile program may answer in the agent's place, and send a FIFO: to read it would stop
        # the whole engine.
        try:
            is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        except OSError:
            foreign.close([fd])
            raise
        if not is_file:
            foreign.close([fd])
            raise OSError(errno.EIO, "the sandbox did not send the file", path)
        return LocalOpenFile(fd, path, self._opened, self._link.running, self._threads)

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path."""
        check_path(path)
        answer = await self._link.request(StatRequest(path=path, follow=follow), StatAnswer)
        return _entry(path, answer.info)

    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name."""
        check_path(path)
        entries: list[Entry] = []
        with JobLink(self._link, ListDirectoryJob(path=path)) as job:
            await job.start()
            async for message in job.messages():
                entries += _entries(path, message)
                if len(entries) > _MOST_ENTRIES:
                    raise OSError(errno.EIO, "the sandbox sent more entries than the limit", path)
        return entries

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory."""
        check_path(path)
        await self._link.request(MakeDirectoryRequest(path=path, parents=parents), Succeeded)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a name, and all below it if `recursive`."""
        check_path(path)
        if is_root(path):  # before all else in it is removed
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        if not recursive:
            await self._link.request(RemoveRequest(path=path), Succeeded)
            return
        with JobLink(self._link, RemoveTreeJob(path=path)) as job:
            await job.start()
            await job.finish()

    async def replace(self, source: str, target: str) -> None:
        """Rename a file over another, whose mode and owner it gets."""
        check_path(source)
        check_path(target)
        await self._link.request(ReplaceRequest(source=source, target=target), Succeeded)

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory."""
        check_path(path)
        with JobLink(self._link, WatchJob(path=path, recursive=recursive)) as job:
            await job.start()
            async for message in job.messages():
                yield _event(path, message)

    async def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream, or a file."""
        check_path(path)
        with JobLink(self._link, PackJob(path=path, file=file)) as job:
            await job.start_reading()
            while data := await job.read():
                yield data
            await job.finish()

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory."""
        check_path(path)
        with JobLink(self._link, UnpackJob(path=path)) as job:
            await job.start_writing()
            async for data in stream:
                if not await job.write(data):
                    break
            job.end_stream()
            await job.finish()

    def any_open(self) -> bool:
        """Whether a file is open, which can be written to without asking the agent."""
        return bool(self._opened)

    def task_ended(self) -> None:
        """The sandbox is gone."""
        for file in list(self._opened):
            file.task_ended()


def check_path(path: str) -> None:
    """Refuse what is no absolute path."""
    if not is_absolute_path(path):
        raise OSError(errno.EINVAL, "not an absolute path", path)


def _entries(path: str, message: Message) -> list[Entry]:
    if not isinstance(message, DirectoryEntries):
        raise _nonsense(path)
    found = []
    for entry in message.entries:
        name = entry.name
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise _nonsense(path)  # callers may make a path of it on the machine
        found.append(_entry(f"{path.rstrip('/')}/{name}", entry.info))
    return found


def _event(path: str, message: Message) -> WatchEvent:
    if not isinstance(message, FileChanged):
        raise _nonsense(path)
    return WatchEvent(WatchKind(message.kind), tuple(message.paths))


def _entry(path: str, info: FileStatus) -> Entry:
    return Entry(
        path=path,
        kind=_KINDS.get(stat.S_IFMT(info.mode), EntryKind.OTHER),
        mode=info.mode,
        size=info.size,
        uid=info.uid,
        gid=info.gid,
        owner=info.owner,
        group=info.group,
        mtime_ns=info.mtime_ns,
        symlink_target=info.target,
    )


def _nonsense(path: str) -> OSError:
    """A hostile program may be what answers: what does not fit is an error like any other."""
    return OSError(errno.EIO, "the sandbox's answer makes no sense", path)
