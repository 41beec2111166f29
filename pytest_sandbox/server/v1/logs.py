"""The output of the main process as text, from any point on.

An entry id is `"<offset>-<generation>"`: the offset in the stream just past the text of the entry,
and how often the sandbox had been restored, because each restore begins a new output. Python
clients begin with an empty id and JavaScript ones with `"0-0"`; both mean the beginning.
"""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import Clock, OutputLog

from ..model.checks import check_timeout
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid

#: Bytes of output in one batch.
CHUNK = 256 * 1024
_DECODER = codecs.getincrementaldecoder("utf-8")
_BEGINNING = ("", "0-0")
_ENTRY_ID = re.compile(r"(\d{1,19})-(\d{1,9})")


class LogText:
    """Output as batches of text, whose characters are never split.

    Bytes that are not UTF-8 become U+FFFD.

    Args:
        sandbox: whose output.
        descriptor: which of its streams.
        offset: in it, where the text begins.

    Attributes:
        offset: behind what was given.
    """

    def __init__(
        self, sandbox: ServedSandbox, descriptor: "common_pb2.FileDescriptor", offset: int
    ) -> None:
        self.offset = offset
        self._sandbox = sandbox
        self._generation = sandbox.generation
        self._descriptor = descriptor
        self._decoder = _DECODER("replace")

    def batch(self, data: bytes) -> common_pb2.TaskLogsBatch | None:
        """What comes next; nothing is the end. `None` if that is no whole character."""
        self.offset += len(data)
        text = self._decoder.decode(data, final=not data)
        if data and not text:
            return None
        kept_back = len(self._decoder.getstate()[0])
        entry = f"{self.offset - kept_back}-{self._generation}"
        return _batch(self._sandbox, text, entry, not data, self._descriptor)


class LogServicer:
    """The log RPC."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def SandboxGetLogs(
        self, request: pb.SandboxGetLogsRequest, call: ServedCall
    ) -> AsyncIterator[common_pb2.TaskLogsBatch]:
        """Output as it comes, until its end, or `timeout` seconds have passed."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        log = output(sandbox.commands.main_logs, request.file_descriptor)
        generation = sandbox.generation
        offset, seen = _position(request.last_entry_id, generation)
        if seen != generation:
            # The output of an earlier main process was dropped by the restore.
            yield _batch(sandbox, "", request.last_entry_id, True, request.file_descriptor)
            return
        clock = self._state.clock
        deadline = clock.monotonic() + request.timeout
        text = LogText(sandbox, request.file_descriptor, offset)

        async def room() -> int:
            # A byte that is not UTF-8 becomes three.
            return await call.room(3 * CHUNK) // 3

        while (data := await read_until(log, text.offset, clock, deadline, room)) is not None:
            if (batch := text.batch(data)) is not None:
                yield batch
            if not data:
                return


async def read_until(
    log: OutputLog,
    offset: int,
    clock: Clock,
    deadline: float,
    room: Callable[[], Awaitable[int]],
) -> bytes | None:
    """Output at `offset`, empty at its end, or `None` if none came before the deadline.

    Args:
        log: the output.
        offset: in it.
        clock: the engine's.
        deadline: on its monotonic clock.
        room: once there is output, says how many bytes of it to return.
    """
    ready = log.ready(offset)
    try:
        if log.closed or offset < log.end:
            there = await ready
        else:
            there = await within(clock, deadline - clock.monotonic(), ready)
    except asyncio.TimeoutError:
        return None
    return await log.read(offset, await room()) if there else b""


def output(logs: tuple[OutputLog, OutputLog], descriptor: "common_pb2.FileDescriptor") -> OutputLog:
    """One of standard output and standard error.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if descriptor == common_pb2.FILE_DESCRIPTOR_STDOUT:
        return logs[0]
    if descriptor == common_pb2.FILE_DESCRIPTOR_STDERR:
        return logs[1]
    raise invalid(f"file_descriptor must be 1 (stdout) or 2 (stderr), not {descriptor}")


def _position(entry_id: str, generation: int) -> tuple[int, int]:
    """Offset and generation; the beginning is that of the current generation."""
    if entry_id in _BEGINNING:
        return 0, generation
    match = _ENTRY_ID.fullmatch(entry_id)
    if match is None:
        raise invalid(f"{entry_id!r} is not an entry id of this server")
    return int(match[1]), int(match[2])


def _batch(
    sandbox: ServedSandbox,
    text: str,
    entry_id: str,
    eof: bool,
    descriptor: "common_pb2.FileDescriptor",
) -> common_pb2.TaskLogsBatch:
    items = [common_pb2.TaskLogs(data=text, file_descriptor=descriptor)] if text else []
    return common_pb2.TaskLogsBatch(
        task_id=sandbox.task_id, items=items, entry_id=entry_id, eof=eof
    )
