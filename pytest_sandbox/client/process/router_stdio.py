"""The standard streams of a main process by the second version of the API: by the router."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto.router_pb2 import (
    SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR,
    SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT,
    SandboxStdinWriteV2Request,
    SandboxStdioReadV2Request,
)

from ..exceptions import ConflictError, StdinClosedError
from .output import STDOUT, OutputStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class RouterStdio:
    """Input and output of the main process of one sandbox."""

    def __init__(self, task: TaskCalls) -> None:
        self._task = task
        self._offset = 0
        self._writing = asyncio.Lock()

    def output(self, descriptor: int) -> OutputStream:
        """What it writes to `STDOUT` or `STDERR`, from its beginning."""
        return _RoutedMainOutput(self._task, descriptor)

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input.

        Raises:
            StdinClosedError: the input was closed before, or the program does not read it any more.
        """
        async with self._writing:
            request = SandboxStdinWriteV2Request(
                task_id=await self._task.id(), offset=self._offset, data=data, eof=eof
            )
            try:
                # No deadline: the program may take its input as late as it likes.
                await self._task.call(
                    lambda link: link.router.SandboxStdinWriteV2, request, timeout=None
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._offset += len(data)


class _RoutedMainOutput(OutputStream):
    def __init__(self, task: TaskCalls, descriptor: int) -> None:
        self._task = task
        self._request = SandboxStdioReadV2Request(
            file_descriptor=SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR
        )

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on; messages say where they begin."""
        self._request.task_id = await self._task.id()
        async for message in self._task.stream(
            lambda link: link.router.SandboxStdioReadV2, lambda: self._request
        ):
            self._request.offset = message.starting_offset + len(message.data)
            yield message.data
