"""A sandbox under test, and the operations that the steps of a machine need."""

import errno
import os
from collections.abc import AsyncIterator, Awaitable

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import (
    EngineError,
    Entry,
    EntryKind,
    OutputLog,
    Process,
    ProcessSpec,
    SpawnFailed,
    Task,
)

from ._trees import Tree, tar_of

#: What is known of an entry beside its kind: mode, numbers and names of owner and group.
Rights = tuple[int, int, int, str, str]


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Subject:
    """A sandbox, and the name of its engine."""

    name: str
    task: Task

    async def read(self, path: str) -> bytes:
        """A file's content, read through a descriptor."""
        file = await self.task.files.open(path, os.O_RDONLY)
        try:
            return await file.pread(0, await file.size())
        finally:
            await file.close()

    async def entry(self, path: str, *, follow: bool) -> Entry:
        """What `stat` says."""
        return await self.task.files.stat(path, follow=follow)

    async def copy(self, path: str, target: str) -> None:
        """Pack a directory, and unpack it elsewhere."""
        packed = [chunk async for chunk in self.task.files.pack(path)]

        async def stream() -> AsyncIterator[bytes]:
            for chunk in packed:
                yield chunk

        await self.task.files.unpack(target, stream())

    async def unpack(self, path: str, tree: Tree) -> None:
        """Put what a tree describes into a directory."""

        async def stream() -> AsyncIterator[bytes]:
            yield tar_of(tree)

        await self.task.files.unpack(path, stream())

    async def tree(self, path: str) -> dict[str, object]:
        """Everything below a directory, as `described` tells it."""
        found: dict[str, object] = {}
        for entry in await self.task.files.listdir(path):
            found[entry.name] = described(entry)
            if entry.kind is EntryKind.FILE:
                found[entry.name] = await self.read(entry.path)
            elif entry.kind is EntryKind.DIRECTORY:
                found[entry.name] = await self.tree(entry.path)
        return found

    async def looks(self, path: str) -> dict[str, object]:
        """Rights, times and links of everything below a directory, and of itself."""
        entry = await self.task.files.stat(path)
        found: dict[str, object] = {path: (rights(entry), entry.mtime_ns)}
        for entry in await self.task.files.listdir(path):
            found[entry.path] = rights(entry), entry.mtime_ns, described(entry)
            if entry.kind is EntryKind.DIRECTORY:
                found |= await self.looks(entry.path)
        return found

    async def start(self, *argv: str, workdir: str | None = None) -> Process:
        """Start a command; a failure to start is an `OSError`."""
        try:
            return await self.task.exec(ProcessSpec(argv, workdir=workdir))
        except SpawnFailed as failed:
            raise OSError(failed.errno, str(failed)) from failed

    async def run(self, *argv: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Done:
        """Run a command to its end."""
        process = await self.task.exec(ProcessSpec(argv, env=env or {}))
        if stdin:
            await process.write_stdin(stdin)
        await process.close_stdin()
        stdout, stderr = await content(process.stdout), await content(process.stderr)
        return Done((await process.wait()).returncode, stdout, stderr)

    async def succeeds(self, *argv: str) -> bool:
        """Whether a command exits with 0, whatever it prints."""
        return (await self.run(*argv)).code == 0


def described(entry: Entry) -> tuple[EntryKind, object]:
    """The kind of an entry, and the size of a file or the target of a link."""
    size = entry.size if entry.kind is EntryKind.FILE else None
    return entry.kind, entry.symlink_target if entry.kind is EntryKind.SYMLINK else size


def rights(entry: Entry) -> Rights:
    """What the model lacks, and engines must agree on."""
    return entry.mode, entry.uid, entry.gid, entry.owner, entry.group


async def content(log: OutputLog) -> bytes:
    """A stream to its end."""
    return b"".join([chunk async for chunk in log.follow()])


async def exactly(log: OutputLog, size: int) -> bytes:
    """The first bytes of a stream, when they are there."""
    data = b""
    while len(data) < size and (more := await log.read(len(data), size - len(data))):
        data += more
    return data


async def answer(question: Awaitable[object]) -> object:
    """The result of a call, or the name of the error that it failed with."""
    try:
        return await question
    except EngineError as error:
        return type(error).__name__
    except OSError as error:
        return errno.errorcode[error.errno or 0]
