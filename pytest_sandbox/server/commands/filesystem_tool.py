"""The filesystem tool of newer Modal clients, without a program in the image.

Clients run the command `_shared.filesystem_tool.TOOL` with one argument: a JSON object whose one
key is the operation. Here the command is a process that exists only in the server, and works on
the files of the task through the engine; clients see a command like any other. An error is one
JSON object on standard error, and exit code 1.

Two operations are ours: `{"Pack": {"path": …}}` writes a directory as tar to standard output,
and `{"Unpack": {"path": …}}` reads one from standard input.
"""

import asyncio
import errno
import json
import os
import stat
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pytest_sandbox._shared.async_tasks import cancel_and_wait
from pytest_sandbox._shared.checks import is_absolute_path
from pytest_sandbox.engine import Clock, Entry, EntryKind, Files, TaskEnded, WatchKind

from ..async_helpers import closing
from .virtual_process import Streams

#: The largest file that ReadFile reads: 5 GiB, as in Modal's tool.
READ_LIMIT = 5 * 1024**3
#: Bytes moved at a time between the engine and the streams.
CHUNK = 1024 * 1024
#: The permissions of a new file.
_NEW_FILE = 0o644


class ToolError(OSError):
    """An error with another kind than its number has by itself.

    Args:
        kind: what clients turn into an exception.
        number: the `errno`.
        message: what to say, without the path.
    """

    def __init__(self, kind: str, number: int, message: str) -> None:
        super().__init__(number, message)
        self.kind = kind


async def run_tool(streams: Streams, files: Files, clock: Clock, arguments: Sequence[str]) -> int:
    """Carry out the operation in the arguments; the exit code.

    Args:
        streams: standard input and output.
        files: of the task.
        clock: the engine's.
        arguments: of the command, without the name of the tool.
    """
    try:
        operation, parameters = _parse(arguments)
        await operation(_Tool(streams, files, clock), parameters)
    except Exception as error:
        await streams.stderr.append(_report(error))
        return 1
    return 0


class _Tool:
    """The operations."""

    def __init__(self, streams: Streams, files: Files, clock: Clock) -> None:
        self._streams = streams
        self._files = files
        self._clock = clock

    async def _print(self, value: object) -> None:
        await self._streams.stdout.append(json.dumps(value).encode() + b"\n")

    async def read_file(self, parameters: "_Parameters") -> None:
        path = parameters.path()
        entry = await self._files.stat(path, follow=True)
        if entry.kind is EntryKind.DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if entry.size > READ_LIMIT:
            raise ToolError(
                *("FileTooLarge", errno.EFBIG),
                f"the file has {entry.size} bytes, more than {READ_LIMIT}",
            )
        file = await self._files.open(path, os.O_RDONLY)
        try:
            offset = 0
            while data := await file.pread(offset, CHUNK):
                await self._streams.stdout.append(data)
                offset += len(data)
        finally:
            await file.close()

    async def write_file(self, parameters: "_Parameters") -> None:
        """Write a file beside the path, and then put it there at once.

        So a reader finds the old contents or the new ones, and of several writers the last one
        wins. As Modal's tool does, this follows no symbolic link, and leaves other hard links of
        the old file alone.
        """
        path = parameters.path()
        mode = await self._check_target(path)
        part = f"{os.path.dirname(path).rstrip('/')}/.{uuid.uuid4()}"
        try:
            await self._write_part(part, mode)
            await self._files.replace(part, path)
        except BaseException as error:
            with suppress(OSError, TaskEnded):
                await self._files.remove(part)
            if isinstance(error, FileNotFoundError) and await self._exists(path):
                # As below /proc: the kernel says that the new name does not exist.
                text = "its directory takes no new files"
                raise OSError(errno.EACCES, text, path) from error
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, path) from error
            raise

    async def _exists(self, path: str) -> bool:
        try:
            await self._files.stat(path)
        except (OSError, TaskEnded):
            return False
        return True

    async def _write_part(self, part: str, mode: int) -> None:
        file = await self._files.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            offset = 0
            async with closing(self._streams.stdin.follow(0, CHUNK)) as chunks:
                async for data in chunks:
                    await file.pwrite(offset, data)
                    offset += len(data)
        finally:
            await file.close()

    async def _check_target(self, path: str) -> int:
        """Make the folders above a file, unless there is a file to replace; its permissions."""
        parent = os.path.dirname(path.rstrip("/"))
        if path.endswith("/") or not parent:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        try:
            entry = await self._files.stat(path)
        except FileNotFoundError:
            await self._files.mkdir(parent, parents=True)
            return _NEW_FILE
        if entry.kind is EntryKind.DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if entry.kind is EntryKind.OTHER:
            raise ToolError("Other", errno.EINVAL, "not a regular file")
        return stat.S_IMODE(entry.mode) if entry.kind is EntryKind.FILE else _NEW_FILE

    async def list_files(self, parameters: "_Parameters") -> None:
        entries = await self._files.listdir(parameters.path())
        await self._print([_describe(entry) for entry in entries])

    async def stat(self, parameters: "_Parameters") -> None:
        await self._print(_describe(await self._files.stat(parameters.path())))

    async def make_directory(self, parameters: "_Parameters") -> None:
        try:
            await self._files.mkdir(parameters.path(), parents=parameters.flag("parents"))
        except FileExistsError:
            raise ToolError("PathAlreadyExists", errno.EEXIST, os.strerror(errno.EEXIST)) from None

    async def remove(self, parameters: "_Parameters") -> None:
        await self._files.remove(parameters.path(), recursive=parameters.flag("recursive"))

    async def watch(self, parameters: "_Parameters") -> None:
        """Print changes until the time is up or standard input is closed."""
        wanted = parameters.optional("filter", list)
        timeout = parameters.optional("timeout_secs", (int, float))
        if timeout is not None and not timeout >= 0:  # which NaN is not either
            raise ToolError("Other", errno.EINVAL, f"timeout_secs cannot be {timeout!r}")
        events = self._files.watch(parameters.path(), recursive=parameters.flag("recursive"))
        printing = asyncio.ensure_future(self._print_events(events, wanted))
        ends = [printing, asyncio.ensure_future(self._input_end())]
        if timeout is not None:
            ends.append(asyncio.ensure_future(self._clock.sleep(timeout)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(*ends)
        if not printing.cancelled():
            printing.result()

    async def _input_end(self) -> None:
        """Return once standard input is closed; its content is dropped."""
        async for _ in self._streams.stdin.follow(0, CHUNK):
            pass

    async def _print_events(self, events: AsyncIterator[Any], wanted: list[str] | None) -> None:
        async with closing(events) as source:
            async for event in source:
                # Events that were lost, of any kind, are told whatever the filter is.
                if wanted is None or event.kind.value in wanted or event.kind is WatchKind.UNKNOWN:
                    await self._print({"event_type": event.kind.value, "paths": list(event.paths)})

    async def pack(self, parameters: "_Parameters") -> None:
        async with closing(self._files.pack(parameters.path())) as chunks:
            async for data in chunks:
                await self._streams.stdout.append(data)

    async def unpack(self, parameters: "_Parameters") -> None:
        path = parameters.path()
        async with closing(self._streams.stdin.follow(0, CHUNK)) as chunks:
            try:
                await self._files.unpack(path, chunks)
            except OSError as error:  # about a member, by its name in the tar
                about = os.path.join(path, error.filename or "")
                raise OSError(error.errno, error.strerror, about) from error


_Operation = Callable[[_Tool, "_Parameters"], Awaitable[None]]

_OPERATIONS: dict[str, _Operation] = {
    "ReadFile": _Tool.read_file,
    "WriteFile": _Tool.write_file,
    "ListFiles": _Tool.list_files,
    "Stat": _Tool.stat,
    "MakeDirectory": _Tool.make_directory,
    "Remove": _Tool.remove,
    "Watch": _Tool.watch,
    "Pack": _Tool.pack,
    "Unpack": _Tool.unpack,
}


class _Parameters:
    """The parameters of an operation, checked when they are read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def path(self) -> str:
        path = self._values.get("path")
        if not is_absolute_path(path):
            raise ToolError("Other", errno.EINVAL, f"path must be an absolute path, not {path!r}")
        return path

    def flag(self, name: str) -> bool:
        return bool(self._values.get(name, False))

    def optional(self, name: str, kinds: "type | tuple[type, ...]") -> Any:
        value = self._values.get(name)
        if value is not None and not isinstance(value, kinds):
            raise ToolError("Other", errno.EINVAL, f"{name} cannot be {value!r}")
        return value


def _parse(arguments: Sequence[str]) -> tuple[_Operation, _Parameters]:
    try:
        (text,) = arguments
        ((name, parameters),) = json.loads(text).items()
        return _OPERATIONS[name], _Parameters(dict(parameters))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ToolError(
            *("Other", errno.EINVAL),
            f"expected one JSON object with one key of {', '.join(_OPERATIONS)}, "
            f"not {' '.join(arguments)[:200]!r}",
        ) from None


def _describe(entry: Entry) -> dict[str, Any]:
    kind = EntryKind.FILE if entry.kind is EntryKind.OTHER else entry.kind
    return {
        "name": entry.name,
        "path": entry.path,
        "type": kind.value,
        "size": entry.size,
        "mode": entry.mode,
        "permissions": f"{stat.S_IMODE(entry.mode):04o}",
        "owner": entry.owner,
        "group": entry.group,
        "modified_time": entry.mtime_ns / 1e9,
        "symlink_target": entry.symlink_target,
    }


_KINDS = {
    errno.ENOENT: "NotFound",
    errno.EISDIR: "IsDirectory",
    errno.ENOTDIR: "NotDirectory",
    errno.EACCES: "PermissionDenied",
    errno.EPERM: "PermissionDenied",
    errno.EROFS: "PermissionDenied",
    errno.EEXIST: "AlreadyExists",
    errno.ENOTEMPTY: "DirectoryNotEmpty",
    errno.EFBIG: "FileTooLarge",
}


def _report(error: Exception) -> bytes:
    """The error as JSON: what Modal's clients read, and beside that what `OSError` has."""
    report: dict[str, Any] = {
        "version": 1,
        "error_kind": "Other",
        "message": str(error) or type(error).__name__,
    }
    if isinstance(error, OSError):
        own = _KINDS.get(error.errno or 0, "Io")
        report["error_kind"] = error.kind if isinstance(error, ToolError) else own
        report["message"] = error.strerror or report["message"]
        report["errno"], report["filename"] = error.errno, error.filename
    return json.dumps(report).encode()
