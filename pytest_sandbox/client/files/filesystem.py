"""`Sandbox.filesystem`: files in a sandbox, with the names that newer clients of Modal have."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from contextlib import aclosing, suppress
from typing import IO, TYPE_CHECKING, Any

from pytest_sandbox._shared.directories import make_directories
from pytest_sandbox._shared.type_names import type_name

from ..exceptions import StdinClosedError
from ..handles import address, client_at
from ..process.communicate import CHUNK, slices
from ..process.decoding import decode
from ..process.output import STDOUT
from ..process.splitting import Lines
from ..process.task_calls import TaskCalls
from ..transport.dual import dual, dual_iterator
from ..validation import check_order, check_path, check_seconds
from .file_info import FileInfo, file_info
from .tool import FilesystemTool
from .watch_events import FileWatchEvent, FileWatchEventType, event, kinds, wire_kinds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def _unpickled(sandbox_id: str, where: str, container_id: str) -> SandboxFilesystem:
    client = client_at(where)
    return SandboxFilesystem(client, TaskCalls(client.calls, sandbox_id, container_id))


class SandboxFilesystem:
    """Files in a sandbox. Paths are absolute; calls raise `SandboxFilesystemError`s.

    Every one of these is also the builtin `OSError` of its kind, `FileNotFoundError`, ..., with
    `errno` and `filename`: the path that was given, or one above or below it that is to blame.
    `NotFoundError` says that the sandbox is gone.
    """

    def __init__(self, client: BaseClient, task: TaskCalls) -> None:
        self._client = client
        self._task = task
        self._tool = FilesystemTool(client, task)

    def __repr__(self) -> str:
        return f"<the files of {self._task.container_id or self._task.sandbox_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        where = address(self._client, self)
        return _unpickled, (self._task.sandbox_id, where, self._task.container_id)

    @dual
    async def read_bytes(self, remote_path: str) -> bytes:
        """The contents of a file, of at most 5 GiB."""
        return await self._tool.ask("ReadFile", check_path(remote_path, "remote_path"))

    @dual
    async def read_text(self, remote_path: str) -> str:
        """The contents of a file as text.

        Raises:
            UnicodeDecodeError: they are not UTF-8.
        """
        return decode(await self.read_bytes.core(remote_path), "read_bytes()")

    @dual
    async def write_bytes(self, data: bytes | bytearray | memoryview, remote_path: str) -> None:
        """Write a file; one of that name is replaced, directories above are made.

        A file that is there is replaced at once, as by rename(2), and its mode and owner are kept.
        A link is replaced, not its target.

        Args:
            data: its contents.
            remote_path: the file.
        """
        check_order(data, remote_path)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"write_bytes() takes bytes, not {data!r}, {type_name(data)}")
        check_path(remote_path, "remote_path")
        await self._tool.write("WriteFile", remote_path, slices(memoryview(data).cast("B")))

    @dual
    async def write_text(self, data: str, remote_path: str) -> None:
        """Write a file as UTF-8; one of that name is replaced, directories above are made.

        See `write_bytes` for what becomes of a file that is there.

        Args:
            data: its contents.
            remote_path: the file.
        """
        check_order(data, remote_path)
        if not isinstance(data, str):
            raise TypeError(f"write_text() takes a str, not {data!r}, {type_name(data)}")
        await self.write_bytes.core(data.encode(), remote_path)

    @dual
    async def copy_from_local(self, local_path: str | os.PathLike[str], remote_path: str) -> None:
        """Copy a file of this machine into the sandbox; see `write_bytes`.

        Args:
            local_path: the file here.
            remote_path: the file there.

        Raises:
            OSError: the file here cannot be read.
        """
        check_path(remote_path, "remote_path", "copy_from_local(local_path, remote_path)")
        with await asyncio.to_thread(open, local_path, "rb") as file:
            await self._tool.write("WriteFile", remote_path, _blocks(file))

    @dual
    async def copy_to_local(self, remote_path: str, local_path: str | os.PathLike[str]) -> None:
        """Copy a file of the sandbox to this machine.

        A file of that name is replaced, once the copy is complete; directories above are made.

        Args:
            remote_path: the file there.
            local_path: the file here.

        Raises:
            OSError: the file here cannot be written.
        """
        check_path(remote_path, "remote_path", "copy_to_local(remote_path, local_path)")
        target = os.fspath(local_path)
        folder = os.path.dirname(target) or "."
        await asyncio.to_thread(make_directories, folder)
        part = os.path.join(folder, f".pytest-sandbox-{uuid.uuid4()}")
        try:
            with await asyncio.to_thread(open, part, "xb") as file:
                async with aclosing(self._tool.read("ReadFile", remote_path)) as chunks:
                    async for chunk in chunks:
                        await asyncio.to_thread(file.write, chunk)
            os.replace(part, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise

    @dual
    async def list_files(self, remote_path: str) -> list[FileInfo]:
        """The entries of a directory, sorted by name; links are described, not followed."""
        entries = await self._tool.ask("ListFiles", check_path(remote_path, "remote_path"))
        return [file_info(entry) for entry in json.loads(entries)]

    @dual
    async def stat(self, remote_path: str) -> FileInfo:
        """A description of a path; a link is described, not followed."""
        entry = await self._tool.ask("Stat", check_path(remote_path, "remote_path"))
        return file_info(json.loads(entry))

    @dual
    async def make_directory(self, remote_path: str, *, create_parents: bool = True) -> None:
        """Make a directory.

        Args:
            remote_path: the directory.
            create_parents: make those above too, and do not mind if it exists.
        """
        check_path(remote_path, "remote_path")
        await self._tool.ask("MakeDirectory", remote_path, parents=create_parents)

    @dual
    async def remove(self, remote_path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link (not its target) or a directory.

        Args:
            remote_path: what to remove.
            recursive: remove a directory with all that is in it; else it has to be empty.
        """
        check_path(remote_path, "remote_path")
        await self._tool.ask("Remove", remote_path, recursive=recursive)

    @dual_iterator
    async def watch(
        self,
        remote_path: str,
        *,
        filter: list[FileWatchEventType] | None = None,  # noqa: A002 - Modal's name
        recursive: bool = False,
        timeout: int | None = None,
    ) -> AsyncGenerator[FileWatchEvent, None]:
        """Changes to a file, or in a directory, from when the first is asked for.

        Args:
            remote_path: what to watch.
            filter: give changes of these kinds only.
                `Unknown`, which says that events were lost, is given in any case.
            recursive: watch the directories below too.
            timeout: seconds after which it ends; never, if not given.
        """
        check_path(remote_path, "remote_path")
        check_seconds("timeout", timeout, least=0)
        wanted = None if filter is None else wire_kinds(kinds(filter))
        parameters: dict[str, Any] = {
            "recursive": recursive,
            "filter": wanted,
            "timeout_secs": timeout,
        }
        execution = await self._tool.start("Watch", remote_path, **parameters)
        lines = Lines()
        try:
            async with aclosing(execution.output(STDOUT).chunks()) as chunks:
                async for chunk in chunks:
                    for line in lines.feed(chunk):
                        yield event(line)
            await self._tool.end(execution, "Watch", remote_path)
        finally:
            with suppress(StdinClosedError):  # closing its input ends it, if it has not ended
                await execution.write(b"", True)


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, CHUNK):
        yield block
