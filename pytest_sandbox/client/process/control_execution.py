"""A command that was started through the control plane, where there is no command router."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import FILE_DESCRIPTOR_STDERR, FILE_DESCRIPTOR_STDOUT
from pytest_sandbox._proto.containers_pb2 import (
    ContainerExecGetOutputRequest,
    ContainerExecPutInputRequest,
    ContainerExecWaitRequest,
    RuntimeInputMessage,
)

from ..exceptions import ConflictError, StdinClosedError
from ..transport.calls import TIMEOUT
from ..transport.retries import CONTROL
from .execution import Execution
from .output import STDOUT, OutputStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the control plane may hold a request for output.
_HOLD_OUTPUT = 55.0


class ControlExecution(Execution):
    """A command started through the control plane.

    Args:
        timeout: seconds after which the server kills it.
        calls: to call with.
        task_id: of the sandbox.
    """

    def __init__(self, timeout: int | None, calls: Calls, task_id: str) -> None:
        super().__init__(timeout, calls, task_id)
        self._index = 0
        self._writing = asyncio.Lock()

    async def ready(self) -> None:
        """Return at once: the call that gives its id also starts it."""

    def output(self, descriptor: int) -> OutputStream:
        """What it writes to `STDOUT` or `STDERR`, from its beginning."""
        return _ControlOutput(self._calls, self.id, descriptor)

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input, one call after another."""
        async with self._writing:
            message = RuntimeInputMessage(message=data, message_index=self._index + 1, eof=eof)
            request = ContainerExecPutInputRequest(exec_id=self.id, input=message)
            try:
                await self._calls.control(
                    lambda link: link.control.ContainerExecPutInput, request, timeout=None
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._index += 1

    async def _poll(self) -> int | None:
        return await self._ask(0)

    async def _wait(self) -> int:
        while (code := await self._ask(self._calls.hold)) is None:
            pass
        return code

    async def _ask(self, hold: float) -> int | None:
        request = ContainerExecWaitRequest(exec_id=self.id, timeout=hold)
        response = await self._calls.control(
            lambda link: link.control.ContainerExecWait, request, timeout=hold + TIMEOUT
        )
        return response.exit_code if response.completed else None


class _ControlOutput(OutputStream):
    def __init__(self, calls: Calls, exec_id: str, descriptor: int) -> None:
        self._calls = calls
        self._request = ContainerExecGetOutputRequest(
            exec_id=exec_id,
            timeout=_HOLD_OUTPUT,
            file_descriptor=FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else FILE_DESCRIPTOR_STDERR,
            get_raw_bytes=True,
        )
        self._ended = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on, which is the number of a batch."""
        while not self._ended:
            async for batch in self._calls.stream(
                lambda link: link.control.ContainerExecGetOutput, lambda: self._request, {}, CONTROL
            ):
                self._request.last_batch_index = batch.batch_index or self._request.last_batch_index
                self._ended = batch.HasField("exit_code")
                if data := b"".join(item.message_bytes for item in batch.items):
                    yield data
