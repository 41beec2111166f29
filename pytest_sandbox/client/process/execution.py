"""A command that runs, by either way to it: the command router, or the control plane.

Both give bytes of output from the start on, take input in order, and tell the exit code.
"""

from __future__ import annotations

import asyncio
import signal
import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._proto.common_pb2 import FILE_DESCRIPTOR_STDERR, FILE_DESCRIPTOR_STDOUT
from pytest_sandbox._proto.containers_pb2 import (
    ContainerExecGetOutputRequest,
    ContainerExecPutInputRequest,
    ContainerExecWaitRequest,
    RuntimeInputMessage,
)
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
from pytest_sandbox._shared.async_tasks import background, within

from ..exceptions import ConflictError, NotFoundError, StdinClosedError
from ..transport.calls import TIMEOUT
from ..transport.retries import CONTROL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from pytest_sandbox._shared.clock import Clock

    from ..client import Client
    from .task import Task

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

STDOUT, STDERR = 1, 2

#: What `wait` and `poll` tell of a command that ran out of time, as Modal's do.
TIMED_OUT = -1
#: Seconds after a command's time is up for the server to end it and to say so.
GRACE = 5.0
#: Seconds that the control plane may hold a question for output.
_HOLD_OUTPUT = 55.0


class Execution(ABC):
    """A command that runs.

    Args:
        timeout: seconds after which the server kills it.
        clock: the time of the server.
    """

    #: What the server knows it by.
    id: str

    def __init__(self, timeout: int | None, clock: Clock) -> None:
        self._clock = clock
        # Taken before the server starts its own clock, so that its kill always comes later.
        self._deadline = clock.monotonic() + timeout if timeout else None

    @abstractmethod
    def output(self, descriptor: int) -> AsyncGenerator[bytes, None]:
        """What it writes to `STDOUT` or `STDERR`, from the start."""

    @abstractmethod
    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input; returns when it has taken all of it.

        Raises:
            StdinClosedError: its end was written before, or nobody reads it any more.
        """

    @abstractmethod
    async def _poll(self) -> int | None: ...

    @abstractmethod
    async def _wait(self) -> int: ...

    async def poll(self) -> int | None:
        """Its exit code, or `None` while it runs."""
        if self._expired(GRACE):
            return TIMED_OUT
        code = await self._poll()
        return None if code is None else self._told(code)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self._deadline is None:
            return await self._wait()
        left = self._deadline + GRACE - self._clock.monotonic()
        try:
            return self._told(await within(self._clock, max(0.0, left), self._wait()))
        except asyncio.TimeoutError:
            return TIMED_OUT

    def _expired(self, grace: float = 0.0) -> bool:
        return self._deadline is not None and self._clock.monotonic() >= self._deadline + grace

    def _told(self, code: int) -> int:
        killed = code == 128 + signal.SIGKILL
        return TIMED_OUT if killed and self._expired() else code


class RouterExecution(Execution):
    """A command started through the command router.

    Calls about it can be made before the server has answered that it started: one that comes
    too early is repeated.

    Args:
        task: where it runs.
        request: what to start; it gets the id of this execution.
    """

    def __init__(self, task: Task, request: TaskExecStartRequest) -> None:
        super().__init__(request.timeout_secs, task.clock)
        self.id = request.exec_id = str(uuid.uuid4())
        self._task = task
        self._task_id = request.task_id
        self._offset = 0
        self._writing = asyncio.Lock()
        self.started = background(task.call(lambda link: link.router.TaskExecStart, request))

    async def output(self, descriptor: int) -> AsyncGenerator[bytes, None]:
        """What it writes to a stream, from the start; goes on where a broken connection stopped."""
        offset = 0
        which = (
            TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR
        )

        def request() -> TaskExecStdioReadRequest:
            return TaskExecStdioReadRequest(
                task_id=self._task_id, exec_id=self.id, offset=offset, file_descriptor=which
            )

        while True:
            early = not self.started.done()
            try:
                async for message in self._task.stream(
                    lambda link: link.router.TaskExecStdioRead, request
                ):
                    offset += len(message.data)
                    yield message.data
                return
            except NotFoundError:
                await asyncio.shield(self.started)
                if not early:
                    raise

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


def _code(response: TaskExecPollResponse | TaskExecWaitResponse) -> int | None:
    which = response.WhichOneof("exit_status")
    if which is None:
        return None
    return response.code if which == "code" else 128 + response.signal


class ControlExecution(Execution):
    """A command started through the control plane.

    Args:
        client: to call with.
        timeout: seconds after which the server kills it.
    """

    def __init__(self, client: Client, timeout: int | None) -> None:
        super().__init__(timeout, client._calls.clock)
        self._client = client
        self._index = 0
        self._writing = asyncio.Lock()

    async def output(self, descriptor: int) -> AsyncGenerator[bytes, None]:
        """What it writes to a stream, from the start; goes on where a broken connection stopped."""
        which = FILE_DESCRIPTOR_STDOUT if descriptor == STDOUT else FILE_DESCRIPTOR_STDERR
        last = 0

        def request() -> ContainerExecGetOutputRequest:
            return ContainerExecGetOutputRequest(
                exec_id=self.id,
                timeout=_HOLD_OUTPUT,
                last_batch_index=last,
                file_descriptor=which,
                get_raw_bytes=True,
            )

        ended = False
        while not ended:
            async for batch in self._client._calls.stream(
                lambda link: link.control.ContainerExecGetOutput, request, {}, CONTROL
            ):
                for item in batch.items:
                    if item.message_bytes:
                        yield item.message_bytes
                last = batch.batch_index or last
                ended = batch.HasField("exit_code")

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input, one call after another."""
        async with self._writing:
            message = RuntimeInputMessage(message=data, message_index=self._index + 1, eof=eof)
            request = ContainerExecPutInputRequest(exec_id=self.id, input=message)
            try:
                await self._client._calls.control(
                    lambda link: link.control.ContainerExecPutInput, request, timeout=None
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._index += 1

    async def _poll(self) -> int | None:
        return await self._ask(0)

    async def _wait(self) -> int:
        while (code := await self._ask(self._client._calls.hold)) is None:
            pass
        return code

    async def _ask(self, hold: float) -> int | None:
        request = ContainerExecWaitRequest(exec_id=self.id, timeout=hold)
        response = await self._client._calls.control(
            lambda link: link.control.ContainerExecWait, request, timeout=hold + TIMEOUT
        )
        return response.exit_code if response.completed else None
