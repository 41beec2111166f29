"""The filesystem tool: one JSON object for each operation, run like any other command.

Modal's images contain it as a program; the server recognises its path. It ends with code 0, or
with a JSON object on standard error that describes the error.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox._shared.filesystem_tool import TOOL

from .. import exceptions as e
from ..process.command import Command
from ..process.communicate import send, whole
from ..process.output import STDERR, STDOUT
from ..transport.undoing import start_undo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from types import TracebackType

    from ..base_client import BaseClient
    from ..process.execution import Execution
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


_BY_KIND: dict[str, type[e.SandboxFilesystemError]] = {
    "NotFound": e.SandboxFilesystemNotFoundError,
    "IsDirectory": e.SandboxFilesystemIsADirectoryError,
    "NotDirectory": e.SandboxFilesystemNotADirectoryError,
    "IsFile": e.SandboxFilesystemNotADirectoryError,
    "PermissionDenied": e.SandboxFilesystemPermissionError,
    "PathAlreadyExists": e.SandboxFilesystemPathAlreadyExistsError,
    "DirectoryNotEmpty": e.SandboxFilesystemDirectoryNotEmptyError,
    "FileTooLarge": e.SandboxFilesystemFileTooLargeError,
}
#: What a server that does not tell the number means.
_NUMBERS = {
    "NotFound": errno.ENOENT,
    "IsDirectory": errno.EISDIR,
    "NotDirectory": errno.ENOTDIR,
    "IsFile": errno.ENOTDIR,
    "PermissionDenied": errno.EACCES,
    "PathAlreadyExists": errno.EEXIST,
    "DirectoryNotEmpty": errno.ENOTEMPTY,
    "FileTooLarge": errno.EFBIG,
}


class FilesystemTool:
    """Runs the tool in one sandbox. On the portal's loop only."""

    def __init__(self, client: BaseClient, task: TaskCalls) -> None:
        self._client = client
        self._task = task

    async def ask(self, operation: str, path: str, **parameters: object) -> bytes:
        """Run an operation, and give what it prints.

        Raises:
            SandboxFilesystemError: it failed.
            NotFoundError: the sandbox is gone.
        """
        parts = [part async for part in self.read(operation, path, **parameters)]
        return b"".join(parts)

    async def read(
        self, operation: str, path: str, **parameters: object
    ) -> AsyncGenerator[bytes, None]:
        """Run an operation, and give what it prints as it comes; raises at the end if it failed."""
        async with (
            _Running(self, operation, path, parameters) as execution,
            contextlib.aclosing(execution.output(STDOUT).chunks()) as output,
        ):
            async for chunk in output:
                yield chunk

    async def write(
        self, operation: str, path: str, content: AsyncIterator[bytes], **parameters: object
    ) -> None:
        """Run an operation that reads standard input."""
        async with _Running(self, operation, path, parameters) as execution:
            # If it ended early, its exit code says why.
            with contextlib.suppress(e.StdinClosedError):
                await send(execution, content)

    async def start(self, operation: str, path: str, **parameters: object) -> Execution:
        """Start an operation; calls about it may be made at once."""
        argument = json.dumps({operation: {"path": path, **parameters}})
        return await Command((TOOL, argument)).start(self._client, self._task)

    async def end(self, execution: Execution, operation: str, path: str) -> None:
        """Wait for the end of an operation."""
        code = await execution.wait()
        if code != 0:
            raise _failure(operation, path, code, await whole(execution, STDERR))


class _Running:
    """An operation that is started, and whose end is waited for after the block.

    It is given up if either fails. A class, for of a generator the frames of `contextlib` would
    show in tracebacks.
    """

    def __init__(
        self, tool: FilesystemTool, operation: str, path: str, parameters: dict[str, object]
    ) -> None:
        self._tool = tool
        self._operation = operation
        self._path = path
        self._parameters = parameters

    async def __aenter__(self) -> Execution:
        self._execution = await self._tool.start(self._operation, self._path, **self._parameters)
        self._ending = background(self._tool.end(self._execution, self._operation, self._path))
        return self._execution

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ended = False
        try:
            if error is None:
                await self._ending
                ended = True
        finally:
            if not ended:
                start_undo(_give_up(self._execution))
            await cancel_and_wait(self._ending)


async def _give_up(execution: Execution) -> None:
    """End an operation that would wait for its caller forever, without what it has not got yet."""
    await execution.kill()
    await execution.write(b"", True)  # where it cannot be killed


def _failure(operation: str, path: str, code: int, stderr: bytes) -> e.Error:
    """The error that the tool's report describes."""
    try:
        report: dict[str, Any] = json.loads(stderr)
        kind, message = str(report["error_kind"]), str(report["message"])
        told = int(report.get("errno") or 0)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        said = stderr.decode(errors="replace").strip() or "nothing"
        text = f"{operation} ended with code {code}, and said {said}"
        return e.SandboxFilesystemError(errno.EIO, text, path)
    if kind == "NotSupported":
        return e.InvalidError(f"{message}: {path!r} does not support {operation}")
    if operation in ("WriteFile", "Unpack") and kind == "AlreadyExists":
        # A file is where a folder has to be made.
        report, told, kind, message = {}, 0, "NotDirectory", os.strerror(errno.ENOTDIR)
    if operation == "Pack" and kind == "NotDirectory":
        message += " (for a file, use filesystem.copy_to_local)"
    number = told or _NUMBERS.get(kind, errno.EIO)
    about = str(report.get("filename") or path)
    return _BY_KIND.get(kind, e.SandboxFilesystemError)(number, message, about)
