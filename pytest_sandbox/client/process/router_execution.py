"""A command that was started through the command router."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
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
from ..transport.portal import portal
from .execution import Execution
from .following import RPC
from .output import STDOUT, OutputStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ..transport.reading import Reading
    from .following import Following
    from .task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


class RouterExecution(Execution):
    """A command started through the command router.

    Calls about it can be made before a server of this package has answered that it started: one
    that comes too early is repeated. Other servers are asked once they have answered.

    Args:
        task: where it runs.
        request: what to start.
        following: the call that starts it and tells of it; `None` if that is done by several.
    """

    def __init__(
        self, task: TaskCalls, request: TaskExecStartRequest, following: Following | None
    ) -> None:
        super().__init__(request.timeout_secs, task.calls, request.task_id)
        self.id = request.exec_id
        self._task = task
        self._request = request
        self._following = following
        self._portal = portal()
        self._offset = 0
        self._writing = asyncio.Lock()
        self._starting: asyncio.Future[None] | None = None
        if following is None:
            self._starting = background(self._start_apart())

    def __del__(self) -> None:
        """End the call that tells of it: nobody can ask any more."""
        following = self._following
        if following is None or following.over:
            return
        if following.known_exit() is None:
            self._portal.call_soon(following.close)
        else:
            self._portal.call_with_next(following.close)

    @property
    def started(self) -> asyncio.Future[None]:
        """Done when it has started, or failed to, whichever call it is that starts it."""
        if self._starting is None:
            self._starting = background(self._start())
        return self._starting

    def has_started(self) -> bool:
        """Whether the server has said so, or that it cannot; sees to it that it is started."""
        if self._following is not None and self._following.has_begun:
            return True
        return self.started.done()

    async def ready(self) -> None:
        """Return when it has started."""
        if self._following is None or not await self._following.begun():
            await asyncio.shield(self.started)

    async def _start(self) -> None:
        if self._following is None or not await self._following.begun():
            await self._start_apart()

    async def _start_apart(self) -> None:
        """Have it started by a call that does nothing else."""
        await self._task.call(lambda link: link.router.TaskExecStart, self._request)
        if self._following is not None and self._following.refused:
            self._calls.missing.add(RPC)

    @property
    def following(self) -> Following | None:
        """The call that tells of it, if there is one."""
        return self._following

    async def everything(self) -> tuple[int, bytes, bytes] | None:
        """Its exit code and all of its output, if one call got all of that."""
        if self._following is None:
            return None
        got = await self._following.everything()
        if got is None:
            self.has_started()  # ahead of the calls that need that
            return None
        code = _code(got[0])
        assert code is not None
        return self._told(code), got[1], got[2]

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
        try:
            await super()._kill()
        except NotFoundError:  # it overtook the call that starts it
            if self._following is not None:
                self._following.close()  # so that another one starts it, and says when it has
            await asyncio.shield(self.started)
            await super()._kill()

    def _known_code(self) -> int | None:
        told = None if self._following is None else self._following.known_exit()
        return None if told is None else _code(told)

    async def _poll(self) -> int | None:
        if (code := self._known_code()) is not None:
            return code
        request = TaskExecPollRequest(task_id=self._task_id, exec_id=self.id)
        return _code(
            await self._once_started(
                lambda: self._task.call(lambda link: link.router.TaskExecPoll, request)
            )
        )

    async def _wait(self) -> int:
        if self._following is not None:
            told = await self._following.exit()
            if told is not None and (code := _code(told)) is not None:
                return code
        request = TaskExecWaitRequest(task_id=self._task_id, exec_id=self.id)
        while True:
            response = await self._once_started(
                lambda: self._task.call(
                    lambda link: link.router.TaskExecWait, request, timeout=None
                )
            )
            if (code := _code(response)) is not None:
                return code

    async def may_call(self) -> None:
        """Return when calls about it may be made: later with servers that are not ours."""
        refused = self._following is not None and self._following.refused
        if refused or RPC in self._calls.missing:
            await asyncio.shield(self.started)

    async def _once_started(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, and again if it overtook the one that starts the command."""
        await self.may_call()
        early = not self.has_started()
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
        self._descriptor = descriptor
        self._request = TaskExecStdioReadRequest(
            task_id=task_id,
            exec_id=execution.id,
            file_descriptor=TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR,
        )

    def offer_to(self, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]]) -> None:
        """Have all of it offered to who reads it, if it comes before it is asked for."""
        if self._execution.following is not None:
            self._execution.following.offer_to(self._descriptor, reading, cut)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on, which is an offset in bytes."""
        following, request = self._execution.following, self._request
        if following is not None:
            async with aclosing(following.chunks(self._descriptor, request.offset)) as came:
                async for data in came:
                    request.offset += len(data)
                    yield data
            if following.ended(self._descriptor, request.offset):
                return
        await self._execution.may_call()
        while True:
            early = not self._execution.has_started()
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
