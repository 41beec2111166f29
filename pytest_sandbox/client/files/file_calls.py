"""`Sandbox.open` and the calls around it: files by Modal's older protocol.

An operation is two calls: one starts it, and one fetches its outcome.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import containers_pb2 as pb

from ..exceptions import FilesystemExecutionError, FilesystemOSError
from ..process.splitting import Lines
from ..transport.retries import CONTROL
from ..validation import check_any_path, check_seconds
from .watch_events import FileWatchEvent, FileWatchEventType, event, kinds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from ..process.task_calls import TaskCalls
    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request for output, as Modal's client asks.
_HOLD = 55.0

#: Errors for which Modal's clients raise the builtin exception of the number.
_BUILTIN = frozenset(pb.SystemErrorCode.values()) - {pb.SYSTEM_ERROR_CODE_UNSPECIFIED}


class FileCalls:
    """The operations of the protocol, in one sandbox. On the portal's loop only."""

    def __init__(self, calls: Calls, task: TaskCalls) -> None:
        self._calls = calls
        self._task = task

    async def start(self, **operation: Any) -> pb.ContainerFilesystemExecResponse:
        """Start an operation, given as the field of the request that it is."""
        request = pb.ContainerFilesystemExecRequest(task_id=await self._task.id(), **operation)
        return await self._calls.control(
            lambda link: link.control.ContainerFilesystemExec, request, timeout=None
        )

    async def run(self, path: str, **operation: Any) -> bytes:
        """Run an operation on a path to its end, and return its outcome.

        Raises:
            OSError: it failed.
        """
        return await self.result(path, (await self.start(**operation)).exec_id)

    async def result(self, path: str, exec_id: str) -> bytes:
        """The outcome of an operation on a path.

        Raises:
            OSError: it failed.
        """
        request = pb.ContainerFilesystemExecGetOutputRequest(exec_id=exec_id, timeout=_HOLD)
        parts: list[bytes] = []
        ended = False
        while not ended:
            # Requests cannot say from where on, so a stream that broke off begins anew.
            batches = await self._calls.whole_stream(
                lambda link: link.control.ContainerFilesystemExecGetOutput, request, CONTROL
            )
            for batch in batches:
                ended = _is_last(batch, path)
                parts += batch.output
        return b"".join(parts)

    async def _events(self, path: str, exec_id: str) -> AsyncGenerator[bytes, None]:
        """The events of a watch as they happen. A repeated call says how many of them came."""
        request = pb.ContainerFilesystemExecGetOutputRequest(
            exec_id=exec_id, timeout=_HOLD, received_events=0
        )
        part = b""

        def rest() -> pb.ContainerFilesystemExecGetOutputRequest:
            nonlocal part
            part = b""  # an event of which a part came will come again
            return request

        ended = False
        while not ended:
            async for batch in self._calls.stream(
                lambda link: link.control.ContainerFilesystemExecGetOutput,
                rest,
                {},
                CONTROL,
            ):
                for chunk in batch.output:
                    part += chunk
                    if part.endswith(b"\n\n"):
                        request.received_events += 1
                        yield part
                        part = b""
                ended = _is_last(batch, path)

    async def ls(self, path: str) -> list[str]:
        """The names in a directory."""
        listing = await self.run(path, file_ls_request=pb.ContainerFileLsRequest(path=path))
        try:
            return [str(name) for name in json.loads(listing)["paths"]]
        except (ValueError, KeyError, TypeError):
            raise FilesystemExecutionError(f"ls({path!r}) gave {listing[:200]!r}") from None

    async def mkdir(self, path: str, parents: bool) -> None:
        """Make a directory."""
        request = pb.ContainerFileMkdirRequest(path=path, make_parents=parents)
        await self.run(path, file_mkdir_request=request)

    async def rm(self, path: str, recursive: bool) -> None:
        """Remove a file or a directory."""
        await self.run(
            path, file_rm_request=pb.ContainerFileRmRequest(path=path, recursive=recursive)
        )

    async def watch(
        self,
        path: str,
        wanted: Collection[FileWatchEventType] | None,
        recursive: bool,
        timeout: int | None,
    ) -> AsyncGenerator[FileWatchEvent, None]:
        """Changes to a path; each is a line of JSON, followed by an empty one."""
        check_any_path(path)
        check_seconds("timeout", timeout, least=0)
        types = kinds(wanted) if wanted else frozenset(FileWatchEventType)
        request = pb.ContainerFileWatchRequest(path=path, recursive=recursive, timeout_secs=timeout)
        started = await self.start(file_watch_request=request)
        lines = Lines()
        async for chunk in self._events(path, started.exec_id):
            for line in lines.feed(chunk):
                if line.strip() and (change := event(line)).type in types:
                    yield change


def _is_last(batch: pb.FilesystemRuntimeOutputBatch, path: str) -> bool:
    """Whether a batch ends the outcome of an operation.

    Raises:
        OSError: with an error.
    """
    if batch.HasField("error"):
        raise _failure(batch.error, path)
    return batch.eof


def _failure(error: pb.SystemErrorMessage, path: str) -> Exception:
    """The error, of the class that Modal's clients raise for its code."""
    if error.error_code == pb.SYSTEM_ERROR_CODE_NOMEM:
        return MemoryError(error.error_message)
    kind = OSError if error.error_code in _BUILTIN else FilesystemOSError
    number = error.errno or error.error_code
    if not number:
        return FilesystemExecutionError(error.error_message)
    return kind(number, error.strerror or error.error_message, os.fsdecode(error.filename) or path)
