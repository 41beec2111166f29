"""Commands through the control plane, for clients that do not know the command router."""

from collections.abc import AsyncIterator
from functools import partial

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import containers_pb2 as pb
from pytest_sandbox.engine import Output

from ..commands.execution import CommandExecution
from ..commands.start import ExecRequest, start
from ..model.checks import check_environment, check_timeout, chosen, pty_environment, pty_size
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once
from .logs import CHUNK, output, read_until

_OUTPUT = {
    pb.EXEC_OUTPUT_OPTION_UNSPECIFIED: Output.PIPE,
    pb.EXEC_OUTPUT_OPTION_DEVNULL: Output.DEVNULL,
    pb.EXEC_OUTPUT_OPTION_PIPE: Output.PIPE,
    pb.EXEC_OUTPUT_OPTION_STDOUT: Output.STDOUT,
}


#: Seconds without a message to its standard input after which a shell is ended, because its client
#: is gone; a comment in Modal's `api.proto` says so.
INPUT_TIMEOUT = 40.0


class ContainerExecServicer:
    """The ContainerExec RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def ContainerExec(
        self, request: pb.ContainerExecRequest, call: ServedCall
    ) -> pb.ContainerExecResponse:
        """Start a command."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        if request.terminate_container_on_exit:
            raise unimplemented(
                "terminate_container_on_exit is not implemented by pytest-sandbox: terminate the "
                "sandbox when the command has ended"
            )
        if request.stdout_output == pb.EXEC_OUTPUT_OPTION_STDOUT:
            raise invalid("stdout_output cannot be STDOUT, which is for stderr_output")
        env = pty_environment(request.pty_info) if request.pty_info.enabled else {}
        env.update(self._state.secrets.variables(request.secret_ids))
        check_environment(env.items())
        # The id contains that of the task, so its sandbox is found without another registry.
        exec_id = f"{sandbox.task_id}.{self._state.ids.new('ex')}"
        call.on_lost = lambda: sandbox.commands.unclaimed(exec_id, lambda: call.lost)
        if call.lost:  # before this began: it runs in a task of its own
            call.on_lost()
        await start(
            sandbox,
            ExecRequest(
                exec_id=exec_id,
                argv=tuple(request.command),
                env=env,
                workdir=request.workdir if request.HasField("workdir") else None,
                timeout=request.timeout_secs or None,
                stdout=chosen(_OUTPUT, request.stdout_output, "stdout_output"),
                stderr=chosen(_OUTPUT, request.stderr_output, "stderr_output"),
                pty=pty_size(request.pty_info),
                input_timeout=_input_timeout(request),
            ),
        )
        return pb.ContainerExecResponse(exec_id=exec_id)

    async def ContainerExecGetOutput(
        self, request: pb.ContainerExecGetOutputRequest, call: ServedCall
    ) -> AsyncIterator[pb.RuntimeOutputBatch]:
        """One output stream of a command as raw bytes, for at most `timeout` seconds.

        The index of a batch is the offset just past its bytes: a client continues after the last
        batch that it has received. The final batch has the exit code.
        """
        execution = self._execution(request.exec_id)
        check_timeout(request.timeout)
        if not request.get_raw_bytes:
            raise unimplemented(
                "get_raw_bytes=false is not implemented by pytest-sandbox: no client of Modal's "
                "asks for it"
            )
        log = output(execution.logs, request.file_descriptor)
        clock = self._state.clock
        deadline = clock.monotonic() + request.timeout
        offset = request.last_batch_index
        room = partial(call.room, CHUNK)
        while (data := await read_until(log, offset, clock, deadline, room)) is not None:
            offset += len(data)
            if not data:
                await execution.wait(deadline - clock.monotonic())
                status = execution.exit_status()
                if status is not None:
                    yield pb.RuntimeOutputBatch(batch_index=offset, exit_code=status.returncode)
                return
            item = pb.RuntimeOutputMessage(
                file_descriptor=request.file_descriptor, message_bytes=data
            )
            yield pb.RuntimeOutputBatch(batch_index=offset, items=[item])

    async def ContainerExecPutInput(
        self, request: pb.ContainerExecPutInputRequest, call: ServedCall
    ) -> Empty:
        """Write to a command; a message index that was seen before is dropped."""
        execution = self._execution(request.exec_id)
        message = request.input
        await execution.stdin.write_index(message.message_index, message.message, message.eof)
        return Empty()

    async def ContainerExecWait(
        self, request: pb.ContainerExecWaitRequest, call: ServedCall
    ) -> pb.ContainerExecWaitResponse:
        """How a command ended; not completed if it still runs after `timeout` seconds."""
        check_timeout(request.timeout)
        execution = self._execution(request.exec_id)
        await execution.wait(request.timeout)
        status = execution.exit_status()
        if status is None:
            return pb.ContainerExecWaitResponse(completed=False)
        return pb.ContainerExecWaitResponse(completed=True, exit_code=status.returncode)

    def _execution(self, exec_id: str) -> CommandExecution:
        return self._state.sandboxes.of_task(exec_id.partition(".")[0]).commands.get(exec_id)


def _input_timeout(request: pb.ContainerExecRequest) -> float | None:
    """How long a shell waits for its client, unless that says that it sends nothing meanwhile."""
    interactive = request.pty_info.enabled and not request.pty_info.no_terminate_on_idle_stdin
    return INPUT_TIMEOUT if interactive else None
