"""Starts a command: through the command router, or else through the control plane."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pytest_sandbox._proto.containers_pb2 import (
    EXEC_OUTPUT_OPTION_DEVNULL,
    EXEC_OUTPUT_OPTION_PIPE,
    EXEC_OUTPUT_OPTION_STDOUT,
    ContainerExecRequest,
)
from pytest_sandbox._proto.router_pb2 import (
    TASK_EXEC_STDERR_CONFIG_DEVNULL,
    TASK_EXEC_STDERR_CONFIG_PIPE,
    TASK_EXEC_STDERR_CONFIG_STDOUT,
    TASK_EXEC_STDOUT_CONFIG_DEVNULL,
    TASK_EXEC_STDOUT_CONFIG_PIPE,
    TaskExecStartRequest,
)
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .control_execution import ControlExecution
from .execution import Execution
from .router_execution import RouterExecution
from .stream_type import StreamType
from .terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..base_client import BaseClient
    from ..secrets.secret import Secret
    from .task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_STDOUT = {
    StreamType.PIPE: TASK_EXEC_STDOUT_CONFIG_PIPE,
    StreamType.DEVNULL: TASK_EXEC_STDOUT_CONFIG_DEVNULL,
    StreamType.STDOUT: TASK_EXEC_STDOUT_CONFIG_PIPE,  # it is printed here
}
_STDERR = {
    StreamType.PIPE: TASK_EXEC_STDERR_CONFIG_PIPE,
    StreamType.DEVNULL: TASK_EXEC_STDERR_CONFIG_DEVNULL,
    StreamType.STDOUT: TASK_EXEC_STDERR_CONFIG_STDOUT,
}
_CONTROL_STDOUT = {
    StreamType.PIPE: EXEC_OUTPUT_OPTION_PIPE,
    StreamType.DEVNULL: EXEC_OUTPUT_OPTION_DEVNULL,
    StreamType.STDOUT: EXEC_OUTPUT_OPTION_PIPE,
}
_CONTROL_STDERR = {**_CONTROL_STDOUT, StreamType.STDOUT: EXEC_OUTPUT_OPTION_STDOUT}


@dataclass(frozen=True)
class Command:
    """A command to start, checked."""

    args: tuple[str, ...]
    stdout: StreamType = StreamType.PIPE
    stderr: StreamType = StreamType.PIPE
    timeout: int | None = None
    workdir: str | None = None
    secrets: Sequence[Secret] = ()
    pty: bool = False

    async def start(
        self,
        client: BaseClient,
        task: TaskCalls,
        *,
        given: bytes | None = None,
    ) -> Execution:
        """Have it started; whether it can be, `Execution.ready` says.

        If this is cancelled, nothing is left that runs.

        Args:
            client: to call with.
            task: where to run it.
            given: all of its input, if all of its output and its exit code are wanted.
        """
        if not await task.routed() and not task.container_id:
            return await finish(self._through_control_plane(client, task), Execution.kill)
        return await self._through_router(client, task, given)

    async def _through_router(
        self, client: BaseClient, task: TaskCalls, given: bytes | None
    ) -> RouterExecution:
        request = TaskExecStartRequest(
            task_id=await task.id(),
            exec_id=str(uuid.uuid4()),
            command_args=self.args,
            stdout_config=_STDOUT[self.stdout],
            stderr_config=_STDERR[self.stderr],
            timeout_secs=self.timeout or None,
            workdir=self.workdir,
            secret_sources=[await secret.reference.source(client) for secret in self.secrets],
            pty_info=terminal(self.pty),
            container_id=task.container_id,
        )
        return RouterExecution(task, request, await task.follow(request, given))

    async def _through_control_plane(self, client: BaseClient, task: TaskCalls) -> ControlExecution:
        request = ContainerExecRequest(
            task_id=await task.id(),
            command=self.args,
            stdout_output=_CONTROL_STDOUT[self.stdout],
            stderr_output=_CONTROL_STDERR[self.stderr],
            timeout_secs=self.timeout or 0,
            workdir=self.workdir,
            secret_ids=[await secret.reference.id(client) for secret in self.secrets],
            pty_info=terminal(self.pty),
        )
        execution = ControlExecution(self.timeout, client.calls, request.task_id)
        response = await client.calls.control(lambda link: link.control.ContainerExec, request)
        execution.id = response.exec_id
        return execution
