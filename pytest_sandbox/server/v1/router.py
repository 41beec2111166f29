"""The command router: processes of a running task, their input and output at byte offsets."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from grpclib import GRPCError, Status

from pytest_sandbox._proto import router_pb2 as pb
from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import Output, OutputLog

from ..commands.execution import TIMEOUT, CommandExecution
from ..commands.start import ExecRequest, start
from ..model.checks import check_environment, check_timeout, chosen, pty_environment, pty_size
from ..model.commanded import commanded, commanded_container
from ..model.state import State
from ..rpc.call import AnyStream, ServedCall
from ..rpc.errors import invalid, precondition

#: The most bytes of output in one message: enough that the cost of a message does not matter, and
#: little enough that a slow reader keeps little in memory.
CHUNK = 512 * 1024

_STDOUT = {
    pb.TASK_EXEC_STDOUT_CONFIG_DEVNULL: Output.DEVNULL,
    pb.TASK_EXEC_STDOUT_CONFIG_PIPE: Output.PIPE,
}
_STDERR = {
    pb.TASK_EXEC_STDERR_CONFIG_DEVNULL: Output.DEVNULL,
    pb.TASK_EXEC_STDERR_CONFIG_PIPE: Output.PIPE,
    pb.TASK_EXEC_STDERR_CONFIG_STDOUT: Output.STDOUT,
}
_WriteAt = Callable[[int, bytes, bool], Awaitable[None]]


class _OfExec(Protocol):
    @property
    def task_id(self) -> str: ...
    @property
    def exec_id(self) -> str: ...


class CommandRouterServicer:
    """The command router RPCs; a caller's token must be of the task it names."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def TaskExecStart(
        self, request: pb.TaskExecStartRequest, call: ServedCall
    ) -> pb.TaskExecStartResponse:
        """Start a command; the same `exec_id` again changes nothing."""
        await start_command(self._state, request, call)
        return pb.TaskExecStartResponse()

    async def TaskExecPoll(
        self, request: pb.TaskExecPollRequest, call: ServedCall
    ) -> pb.TaskExecPollResponse:
        """How a command ended; nothing while it runs."""
        return pb.TaskExecPollResponse(**exit_status(self._execution(request, call)))

    async def TaskExecWait(
        self, request: pb.TaskExecWaitRequest, call: ServedCall
    ) -> pb.TaskExecWaitResponse:
        """How a command ended, once it has."""
        execution = self._execution(request, call)
        if execution.status() is None:
            await execution.process.wait()
        return pb.TaskExecWaitResponse(**exit_status(execution))

    async def TaskExecStdioRead(
        self, request: pb.TaskExecStdioReadRequest, call: ServedCall
    ) -> AsyncIterator[pb.TaskExecStdioReadResponse]:
        """Output from an offset to its end; no message is empty."""
        execution = self._execution(request, call)
        log = _log(execution, request.file_descriptor)
        offset = request.offset
        while await log.ready(offset):
            data = await log.read(offset, await call.room(CHUNK))
            offset += len(data)
            yield pb.TaskExecStdioReadResponse(data=data)
        execution.status()  # the end of the output tells a client of the end

    async def TaskExecStdinWrite(
        self, request: pb.TaskExecStdinWriteRequest, call: ServedCall
    ) -> pb.TaskExecStdinWriteResponse:
        """Write to a command; bytes below the accepted offset are dropped."""
        execution = self._execution(request, call)
        await execution.stdin.write_at(request.offset, request.data, request.eof)
        return pb.TaskExecStdinWriteResponse()

    async def TaskExecStdinWriteStream(
        self, requests: AnyStream, call: ServedCall
    ) -> pb.TaskExecStdinWriteStreamResponse:
        """Write a stream of data to a command; without `end`, its input stays open."""
        first = await requests.recv_message()
        if first is None or first.WhichOneof("payload") != "start":
            raise invalid("the first message of TaskExecStdinWriteStream must be its start")
        stdin = self._execution(first.start, call).stdin
        await stdin.interruptible(_pour(requests, stdin.write_at, first.start.offset))
        return pb.TaskExecStdinWriteStreamResponse()

    async def TaskExecStdinStatus(
        self, request: pb.TaskExecStdinStatusRequest, call: ServedCall
    ) -> pb.TaskExecStdinStatusResponse:
        """How much input a command has accepted; this ends a stream of writes that is under way."""
        stdin = self._execution(request, call).stdin
        stdin.interrupt()
        return pb.TaskExecStdinStatusResponse(num_bytes_written=stdin.accepted, closed=stdin.closed)

    async def SandboxWaitUntilReady(
        self, request: sandboxes_pb2.SandboxWaitUntilReadyTcrRequest, call: ServedCall
    ) -> sandboxes_pb2.SandboxWaitUntilReadyTcrResponse:
        """Return when the probe of a sandbox has succeeded."""
        sandbox = commanded(self._state, request.task_id, call)
        check_timeout(request.timeout)
        readiness = sandbox.readiness
        if readiness is None:
            raise precondition(
                f"Sandbox {sandbox.id!r} has no readiness_probe: create it with one to wait for it"
            )
        try:
            await within(sandbox.clock, request.timeout, readiness.wait())
        except asyncio.TimeoutError:
            raise GRPCError(
                Status.DEADLINE_EXCEEDED,
                f"Sandbox {sandbox.id!r} was not ready after {request.timeout:g} s: its probe, "
                f"{readiness}, failed at last: {readiness.last}",
            ) from None
        sandbox.check_known()
        if sandbox.result is not None or readiness.ready_at is None:
            raise precondition(f"Sandbox {sandbox.id!r} has ended: {sandbox.why_ended}")
        return sandboxes_pb2.SandboxWaitUntilReadyTcrResponse(ready_at=readiness.ready_at)

    def _execution(self, request: _OfExec, call: ServedCall) -> CommandExecution:
        return commanded(self._state, request.task_id, call).execution(request.exec_id)


async def _pour(requests: AnyStream, write_at: _WriteAt, offset: int) -> None:
    """Write what is received until `end`, or until the client disconnects without one."""
    while (message := await requests.recv_message()) is not None:
        payload = message.WhichOneof("payload")
        if payload == "end":
            await write_at(offset, b"", True)
            return
        if payload != "data":
            raise invalid(f"expected data or end in TaskExecStdinWriteStream, not {payload}")
        await write_at(offset, message.data, False)
        offset += len(message.data)


async def start_command(
    state: State, request: pb.TaskExecStartRequest, call: ServedCall
) -> CommandExecution:
    """Start a command; the same `exec_id` again changes nothing.

    Raises:
        GRPCError: NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED.
        EngineError: whatever the engine raises.
    """
    sandbox = commanded_container(state, request, call)
    if not request.exec_id:
        raise invalid("exec_id is empty: choose one, for example a UUID")
    call.on_lost = lambda: sandbox.commands.unclaimed(request.exec_id)
    await start(
        sandbox,
        ExecRequest(
            exec_id=request.exec_id,
            argv=tuple(request.command_args),
            env=_env(state, request),
            workdir=request.workdir if request.HasField("workdir") else None,
            timeout=request.timeout_secs or None,
            stdout=chosen(_STDOUT, request.stdout_config, "stdout_config"),
            stderr=chosen(_STDERR, request.stderr_config, "stderr_config"),
            pty=pty_size(request.pty_info),
        ),
    )
    return sandbox.commands.get(request.exec_id)


def _env(state: State, request: pb.TaskExecStartRequest) -> dict[str, str]:
    """Secrets, then variables, then sources in their order; a later one wins."""
    env = pty_environment(request.pty_info) if request.pty_info.enabled else {}
    env.update(state.secrets.variables(request.secret_ids))
    env.update(request.env)
    env.update(state.secrets.of_sources(request.secret_sources))
    check_environment(env.items())
    return env


def exit_status(execution: CommandExecution) -> dict[str, int]:
    """How a command ended, for a client that asks: the field of a response; none while it runs.

    Modal's clients have a deadline of their own for a command with a timeout, after which its code
    is -1. So that the same is said here, whichever comes first.

    Raises:
        TaskLost: nobody knows how it ended.
    """
    status = execution.exit_status()
    if status is None:
        return {}
    if execution.ended_by == TIMEOUT and status.signal == signal.SIGKILL:
        return {"code": -1}
    if status.code is not None:
        return {"code": status.code}
    assert status.signal is not None
    return {"signal": status.signal}


def _log(execution: CommandExecution, descriptor: "pb.TaskExecStdioFileDescriptor") -> OutputLog:
    if descriptor == pb.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT:
        return execution.process.stdout
    if descriptor == pb.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR:
        return execution.process.stderr
    raise invalid(f"file_descriptor must be 0 (stdout) or 1 (stderr), not {descriptor}")
