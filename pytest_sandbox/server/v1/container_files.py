"""Files through the control plane: `sandbox.open`, `ls`, `mkdir`, `rm`, `watch` of older clients.

`ContainerFilesystemExec` carries out an operation and returns an id, with which
`ContainerFilesystemExecGetOutput` fetches the outcome: data or an error.
"""

import errno
import json
import os
import posixpath
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox._shared.checks import is_text

from ..async_helpers import closing
from ..files.handle import CHUNK, ByteRange, OpenMode
from ..files.sessions import Outcome
from ..files.watch import FileWatch
from ..model.checks import check_timeout
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.answers import Room
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, not_found
from ..rpc.handlers import once

#: Errors that the wire has no code for, and the codes that are closest.
_CODES = {
    errno.EROFS: pb.SYSTEM_ERROR_CODE_PERM,
    errno.EBADF: pb.SYSTEM_ERROR_CODE_INVAL,
    errno.ENAMETOOLONG: pb.SYSTEM_ERROR_CODE_INVAL,
    errno.ELOOP: pb.SYSTEM_ERROR_CODE_INVAL,
    errno.ENFILE: pb.SYSTEM_ERROR_CODE_MFILE,
    errno.EDQUOT: pb.SYSTEM_ERROR_CODE_NOSPC,
}


class ContainerFileServicer:
    """The ContainerFilesystemExec RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._operations: dict[str, Callable[[ServedSandbox, Any], Awaitable[Outcome]]] = {
            "file_write_request": _write,
            "file_read_request": _read,
            "file_flush_request": _flush,
            "file_read_line_request": _read_line,
            "file_seek_request": _seek,
            "file_delete_bytes_request": _delete_bytes,
            "file_write_replace_bytes_request": _replace_bytes,
            "file_close_request": _close,
            "file_ls_request": _ls,
            "file_mkdir_request": _mkdir,
            "file_rm_request": _rm,
            "file_watch_request": _watch,
        }

    @once
    async def ContainerFilesystemExec(
        self, request: pb.ContainerFilesystemExecRequest, call: ServedCall
    ) -> pb.ContainerFilesystemExecResponse:
        """Carry out one operation; an error of the file system is an outcome, not a failed call."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        if sandbox.result is not None:
            raise not_found("running task", request.task_id, sandbox.why_ended)
        name = request.WhichOneof("file_exec_request_oneof")
        if name is None:
            raise invalid("ContainerFilesystemExec without an operation")
        with sandbox.lifetime.activity():
            if name == "file_open_request":
                return await self._open(sandbox, request.file_open_request)
            outcome = await _outcome(self._operations[name](sandbox, getattr(request, name)))
        return pb.ContainerFilesystemExecResponse(exec_id=self._add(sandbox, outcome))

    async def _open(
        self, sandbox: ServedSandbox, request: pb.ContainerFileOpenRequest
    ) -> pb.ContainerFilesystemExecResponse:
        mode = OpenMode.parse(request.mode)
        # A failed call has a descriptor too: without one, clients do not fetch the error.
        descriptor = self._state.ids.new("fd")
        outcome = await _outcome(_open(sandbox, request.path, mode, descriptor))
        return pb.ContainerFilesystemExecResponse(
            exec_id=self._add(sandbox, outcome), file_descriptor=descriptor
        )

    def _add(self, sandbox: ServedSandbox, outcome: Outcome) -> str:
        # The id contains that of the task: each sandbox stores its own outcomes, so that operations
        # on one evict none of another.
        exec_id = f"{sandbox.task_id}.{self._state.ids.new('fx')}"
        sandbox.files.add_outcome(exec_id, outcome)
        return exec_id

    async def ContainerFilesystemExecGetOutput(
        self, request: pb.ContainerFilesystemExecGetOutputRequest, call: ServedCall
    ) -> AsyncIterator[pb.FilesystemRuntimeOutputBatch]:
        """The outcome of an operation; without its end if that takes longer than `timeout`."""
        task_id = request.exec_id.partition(".")[0]
        outcome = self._state.sandboxes.of_task(task_id).files.outcome(request.exec_id)
        check_timeout(request.timeout)
        deadline = self._state.clock.monotonic() + request.timeout
        try:
            received = request.received_events if request.HasField("received_events") else None
            async with aclosing(_data(outcome, deadline, received, call.room)) as source:
                async for data in source:
                    yield _batch(data)
        except OSError as error:
            yield pb.FilesystemRuntimeOutputBatch(error=_system_error(error))


async def _outcome(operation: Awaitable[Outcome]) -> Outcome:
    try:
        return await operation
    except OSError as error:
        return error


async def _data(
    outcome: Outcome, deadline: float, received: int | None, room: Room
) -> AsyncGenerator[bytes | None, None]:
    """The data to send, and `None` at the end."""
    if isinstance(outcome, OSError):
        raise outcome
    if isinstance(outcome, FileWatch):
        async with closing(outcome.fetch(deadline, received)) as events:
            async for event in events:
                if event is not None:
                    await room(len(event))
                yield event
        return
    if isinstance(outcome, ByteRange):
        async for data in outcome.chunks(room):
            yield data
    elif outcome:
        sent = 0
        while sent < len(outcome):
            part = outcome[sent : sent + await room(CHUNK)]
            yield part
            sent += len(part)
    yield None


def _batch(data: bytes | None) -> pb.FilesystemRuntimeOutputBatch:
    if data is None:
        return pb.FilesystemRuntimeOutputBatch(eof=True)
    return pb.FilesystemRuntimeOutputBatch(output=[data])


def _system_error(error: OSError) -> pb.SystemErrorMessage:
    number = error.errno or 0
    code = _CODES.get(number, number if number in pb.SystemErrorCode.values() else 0)
    text = error.strerror or str(error)
    message = text if error.filename is None else f"{text}: {error.filename!r}"
    return pb.SystemErrorMessage(
        error_code=pb.SystemErrorCode.Name(code),
        error_message=message,
        errno=number,
        strerror=text,
        filename=os.fsencode(error.filename or ""),
    )


# The operations


async def _open(sandbox: ServedSandbox, path: str, mode: OpenMode, descriptor: str) -> Outcome:
    sandbox.files.check_room()
    file = await sandbox.task.files.open(_absolute(sandbox, path), mode.flags)
    sandbox.files.add_handle(descriptor, file, mode)
    return None


async def _write(sandbox: ServedSandbox, request: pb.ContainerFileWriteRequest) -> Outcome:
    await sandbox.files.handle(request.file_descriptor).write(request.data)
    return None


async def _read(sandbox: ServedSandbox, request: pb.ContainerFileReadRequest) -> Outcome:
    size = request.n if request.HasField("n") else None
    return await sandbox.files.handle(request.file_descriptor).read(size)


async def _flush(sandbox: ServedSandbox, request: pb.ContainerFileFlushRequest) -> Outcome:
    await sandbox.files.handle(request.file_descriptor).flush()
    return None


async def _read_line(sandbox: ServedSandbox, request: pb.ContainerFileReadLineRequest) -> Outcome:
    return await sandbox.files.handle(request.file_descriptor).read_line()


async def _seek(sandbox: ServedSandbox, request: pb.ContainerFileSeekRequest) -> Outcome:
    await sandbox.files.handle(request.file_descriptor).seek(request.offset, request.whence)
    return None


async def _delete_bytes(
    sandbox: ServedSandbox, request: pb.ContainerFileDeleteBytesRequest
) -> Outcome:
    await sandbox.files.handle(request.file_descriptor).replace(b"", *_range(request))
    return None


async def _replace_bytes(
    sandbox: ServedSandbox, request: pb.ContainerFileWriteReplaceBytesRequest
) -> Outcome:
    await sandbox.files.handle(request.file_descriptor).replace(request.data, *_range(request))
    return None


async def _close(sandbox: ServedSandbox, request: pb.ContainerFileCloseRequest) -> Outcome:
    await sandbox.files.remove_handle(request.file_descriptor).close()
    return None


async def _ls(sandbox: ServedSandbox, request: pb.ContainerFileLsRequest) -> Outcome:
    entries = await sandbox.task.files.listdir(_absolute(sandbox, request.path))
    return json.dumps({"paths": [entry.name for entry in entries]}).encode()


async def _mkdir(sandbox: ServedSandbox, request: pb.ContainerFileMkdirRequest) -> Outcome:
    await sandbox.task.files.mkdir(_absolute(sandbox, request.path), parents=request.make_parents)
    return None


async def _rm(sandbox: ServedSandbox, request: pb.ContainerFileRmRequest) -> Outcome:
    await sandbox.task.files.remove(_absolute(sandbox, request.path), recursive=request.recursive)
    return None


async def _watch(sandbox: ServedSandbox, request: pb.ContainerFileWatchRequest) -> Outcome:
    events = sandbox.task.files.watch(_absolute(sandbox, request.path), recursive=request.recursive)
    timeout = request.timeout_secs if request.HasField("timeout_secs") else None
    return sandbox.files.watch(events, timeout)


def _range(
    request: "pb.ContainerFileDeleteBytesRequest | pb.ContainerFileWriteReplaceBytesRequest",
) -> tuple[int | None, int | None]:
    return (
        request.start_inclusive if request.HasField("start_inclusive") else None,
        request.end_exclusive if request.HasField("end_exclusive") else None,
    )


def _absolute(sandbox: ServedSandbox, path: str) -> str:
    """A path as the engine takes it: a relative one begins in the sandbox's working directory."""
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not is_text(path):
        raise OSError(errno.EINVAL, "the path has a NUL character in it", path)
    return posixpath.join(sandbox.workdir, path)
