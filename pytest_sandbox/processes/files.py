"""The file operations of a task, which stay below its folder."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pytest_sandbox.local.agents.files import LocalFiles, check_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_sandbox.engine import Entry, OpenFile, WatchEvent
    from pytest_sandbox.local.agents.agent_link import AgentLink


class ProcessFiles(LocalFiles):
    """Files of one task: the agent works on them, with the rights of its programs.

    A path is one of the machine. What is not below the folder of the task is refused by its name,
    so that a test does not change, or rely on, what is of the machine. A link that leads out of
    the folder leads to where a program could go too.

    Args:
        link: to the agent.
        folder: of the task.
    """

    def __init__(self, link: AgentLink, folder: str) -> None:
        super().__init__(link)
        self._folder = folder

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file."""
        self._check(path)
        return await super().open(path, flags, mode)

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path."""
        self._check(path)
        return await super().stat(path, follow=follow)

    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name."""
        self._check(path)
        return await super().listdir(path)

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory."""
        self._check(path)
        await super().mkdir(path, parents=parents)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a name, and all below it if `recursive`; not the folder of the task."""
        self._check(path)
        self._keep_folder(path)
        await super().remove(path, recursive=recursive)

    async def replace(self, source: str, target: str) -> None:
        """Rename a file over another, whose mode and owner it gets."""
        self._check(source)
        self._check(target)
        await super().replace(source, target)

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory."""
        self._check(path)
        async for event in super().watch(path, recursive=recursive):
            yield event

    async def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream, or a file."""
        self._check(path)
        async for data in super().pack(path, file=file):
            yield data

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory."""
        self._check(path)
        await super().unpack(path, stream)

    def _keep_folder(self, path: str) -> None:
        if os.path.normpath(path) == self._folder:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)

    def _check(self, path: str) -> None:
        check_path(path)
        if not f"{os.path.normpath(path)}/".startswith(f"{self._folder}/"):
            raise PermissionError(
                errno.EACCES,
                f"not below the sandbox's folder {self._folder}: sandboxes of the engine 'process' "
                "have no other files of their own",
                path,
            )
