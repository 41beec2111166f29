"""The methods of a sandbox for files."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.directories import make_directories

from ..files.bridge import read_by, written
from ..files.file_calls import FileCalls
from ..files.fileio import FileIO
from ..files.filesystem import SandboxFilesystem
from ..files.pack import check_folder, pack
from ..files.remote_file import RemoteFile
from ..files.tool import FilesystemTool
from ..files.unpack import unpack
from ..process.method_types import OpenMethod
from ..transport.dual import dual, dual_iterator, overloaded
from ..transport.portal_call import delivered
from ..validation import check_any_path, check_path, check_real_files

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..base_client import BaseClient
    from ..files.watch_events import FileWatchEvent, FileWatchEventType
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class FileMethods:
    """Files of a sandbox: the `filesystem`, whole directories, and Modal's older calls."""

    _client: BaseClient
    _task: TaskCalls

    @property
    def filesystem(self) -> SandboxFilesystem:
        """Files by newer Modal clients' names: `read_text`, `write_bytes`, `list_files`, ..."""
        return SandboxFilesystem(self._client, self._task)

    # Whole directories

    @dual
    async def upload(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy what is in a directory of this machine into one of the sandbox.

        Links, modes, times and holes are preserved; root owns everything there. Pipes, sockets and
        devices are left out. What is in the sandbox already is replaced where names are the same;
        directories that exist keep their mode and owner, `remote` too, as with `cp -r local/.
        remote`.

        Args:
            local: the directory here.
            remote: the directory there, made if need be.

        Raises:
            OSError: something here cannot be read.
            SandboxFilesystemError: it cannot be written there.
        """
        check_path(remote, "remote", "upload(local, remote)")
        check_real_files("upload", "copy_from_local")
        folder = await asyncio.to_thread(check_folder, local)
        async with aclosing(written(partial(pack, folder))) as chunks:
            await FilesystemTool(self._client, self._task).write("Unpack", remote, chunks)

    @dual
    async def download(
        self,
        remote: str,
        local: str | os.PathLike[str],
        *,
        outside_links: bool = False,
        set_id_bits: bool = False,
    ) -> None:
        """Copy what is in a directory of the sandbox into one of this machine.

        Links, modes, times and holes are preserved, owners are not. Pipes and sockets are left out.
        Nothing is written outside `local`, whatever programs in the sandbox have prepared. What is
        here already is replaced where names are the same; directories that exist keep their mode.

        Args:
            remote: the directory there.
            local: the directory here, made if need be.
            outside_links: copy links too that lead out of the directory. By default they are
                an error, because a reader of the copy would read other files of this machine.
            set_id_bits: keep the set-user-id and set-group-id bits of files. By default they are
                dropped, because the copies are yours: whoever can run them would have your rights.

        Raises:
            UnsafeArchiveError: there is such a link, a device, ...
            OSError: it cannot be written here.
            SandboxFilesystemError: it cannot be read there.
        """
        check_path(remote, "remote", "download(remote, local)")
        check_real_files("download", "copy_to_local")
        folder = os.fspath(local)
        await asyncio.to_thread(make_directories, folder)
        tool = FilesystemTool(self._client, self._task)
        unpacking = partial(
            unpack, folder=folder, outside_links=outside_links, set_id_bits=set_id_bits
        )
        async with aclosing(tool.read("Pack", remote)) as chunks:
            await read_by(chunks, unpacking)

    # Modal's older calls

    async def _open(self, path: str, mode: str = "r") -> FileIO[Any]:
        """Open a file.

        Args:
            path: the file.
            mode: `r`, `w`, `a` or `x`, then perhaps `+` and `b`, as for the builtin.

        Raises:
            FileNotFoundError, PermissionError, ...: as the builtin does.
            ValueError: the mode is none.
        """
        file = RemoteFile(self._files, check_any_path(path), mode)
        return FileIO[Any](await delivered(file.open(), RemoteFile.close))

    open = overloaded[OpenMethod](_open)

    @dual
    async def ls(self, path: str) -> list[str]:
        """The names in a directory.

        Raises:
            FileNotFoundError, NotADirectoryError, ...: as `os.listdir` does.
        """
        return await self._files.ls(check_any_path(path))

    @dual
    async def mkdir(self, path: str, parents: bool = False) -> None:
        """Make a directory.

        Args:
            path: the directory.
            parents: make those above too, and do not mind if it exists.

        Raises:
            FileExistsError, FileNotFoundError, ...: as `os.mkdir` does.
        """
        await self._files.mkdir(check_any_path(path), parents)

    @dual
    async def rm(self, path: str, recursive: bool = False) -> None:
        """Remove a file or a directory.

        Args:
            path: what to remove.
            recursive: remove a directory with all that is in it.

        Raises:
            FileNotFoundError, IsADirectoryError, ...: as `os.unlink` does.
        """
        await self._files.rm(check_any_path(path), recursive)

    @dual_iterator
    async def watch(
        self,
        path: str,
        filter: list[FileWatchEventType] | None = None,  # noqa: A002 - Modal's name
        recursive: bool | None = None,
        timeout: int | None = None,
    ) -> AsyncGenerator[FileWatchEvent, None]:
        """Changes to a file, or in a directory, from when the first is asked for.

        Args:
            path: what to watch.
            filter: give changes of these kinds only; all, if there are none.
                `Unknown`, which says that events were lost, is given in any case.
            recursive: watch the directories below too.
            timeout: seconds after which it ends; never, if not given.

        Raises:
            FileNotFoundError: there is nothing to watch.
        """
        changes = self._files.watch(path, filter, bool(recursive), timeout)
        async with aclosing(changes) as events:
            async for event in events:
                yield event

    @property
    def _files(self) -> FileCalls:
        return FileCalls(self._client.calls, self._task)
