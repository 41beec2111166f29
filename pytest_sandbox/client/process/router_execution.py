"""A command that was started through the command router."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._proto.router_pb2 import (
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR,
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT,
    TaskExecPollRequest,
    TaskExecPollResponse,
    TaskExecStartRequest,
    TaskExecStdinWriteRequest,
    TaskExecStdioReadRequest,
    TaskExecWaitRequest,
    TaskExecWaitResponse,
)
from pytest_sandbox._shared.async_tasks import background

from ..exceptions import ConflictError, NotFoundError, StdinClosedError
from .execution import Execution
from .output import STDOUT, OutputStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


class RouterExecution(Execution):
    """A command started through the command router.

    Calls about it can be made before the server has answered that it started: one that comes
    too early is repeated.

    Args:
        task: where it runs.
        request: what to start; it gets the id of this execution.
    """

    def __init__(self, task: TaskCalls, request: TaskExecStartRequest) -> None:
        super().__init__(request.timeout_secs, task.calls, request.task_id)
        self.id = request.exec_id = str(uuid.uuid4())
        self._task = task
        self._offset = 0
        self._writing = asyncio.Lock()
        self.started = background(task.call(lambda link: link.router.TaskExecStart, request))

    def output(self, descriptor: int) -> OutputStream:
        """What it writes to `STDOUT` or `STDERR`, from its beginning."""
        return _RouterOutput(self._task, self._task_id, self, descriptor)

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input, one call after another."""
        async with self._writing:
            request = TaskExecStdinWriteRequest(
                task_id=self._task_id, exec_id=self.id, offset=self._offset, data=data, eof=eof
            )
            try:
                await self._once_started(
                    # No deadline: the command may take its input as late as it likes.
                    lambda: self._task.call(
                        lambda link: link.router.TaskExecStdinWrite, request, timeout=None
                    )
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._offset += len(data)

    async def _kill(self) -> None:
        await self._once_started(super()._kill)

    async def _poll(self) -> int | None:
        request = TaskExecPollRequest(task_id=self._task_id, exec_id=self.id)
        return _code(
            await self._once_started(
                lambda: self._task.call(lambda link: link.router.TaskExecPoll, request)
            )
        )

    async def _wait(self) -> int:
        request = TaskExecWaitRequest(task_id=self._task_id, exec_id=self.id)
        while True:
            response = await self._once_started(
                lambda: self._task.call(
                    lambda link: link.router.TaskExecWait, request, timeout=None
                )
            )
            if (code := _code(response)) is not None:
                return code

    async def _once_started(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, and again if it overtook the one that starts the command."""
        early = not self.started.done()
        try:
            return await call()
        except NotFoundError:
            # If that failed, its error says why there is nothing to find.
            await asyncio.shield(self.started)
            if not early:
                raise
        return await call()


class _RouterOutput(OutputStream):
    def __init__(
        self, task: TaskCalls, task_id: str, execution: RouterExecution, descriptor: int
    ) -> None:
        self._task = task
        self._execution = execution
        self._request = TaskExecStdioReadRequest(
            task_id=task_id,
            exec_id=execution.id,
            file_descriptor=TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR,
        )

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on, which is an offset in bytes."""
        while True:
            early = not self._execution.started.done()
            try:
                async for message in self._task.stream(
                    lambda link: link.router.TaskExecStdioRead, lambda: self._request
                ):
                    self._request.offset += len(message.data)
                    yield message.data
                return
            except NotFoundError:
                await asyncio.shield(self._execution.started)
                if not early:
                    raise


def _code(response: TaskExecPollResponse | TaskExecWaitResponse) -> int | None:
    which = response.WhichOneof("exit_status")
    if which is None:
        return None
    return response.code if which == "code" else 128 + response.signal
