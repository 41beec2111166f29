"""The standard streams of a sandbox's main process, which go through the control plane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import FILE_DESCRIPTOR_STDERR, FILE_DESCRIPTOR_STDOUT
from pytest_sandbox._proto.sandboxes_pb2 import SandboxGetLogsRequest, SandboxStdinWriteRequest

from ..exceptions import ConflictError, StdinClosedError
from ..transport.retries import CONTROL
from .execution import STDOUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..client import Client

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request for logs, as Modal's client asks.
_HOLD = 55.0


class MainStdio:
    """Input and output of the main process of one sandbox."""

    def __init__(self, client: Client, sandbox_id: str) -> None:
        self._client = client
        self._sandbox_id = sandbox_id
        self._index = 0
        self._writing = asyncio.Lock()

    async def output(self, descriptor: int) -> AsyncGenerator[bytes, None]:
        """What it writes, from the start; whole characters only, as the wire has text here."""
        last = ""

        def request() -> SandboxGetLogsRequest:
            return SandboxGetLogsRequest(
                sandbox_id=self._sandbox_id,
                file_descriptor=FILE_DESCRIPTOR_STDOUT
                if descriptor == STDOUT
                else FILE_DESCRIPTOR_STDERR,
                timeout=max(_HOLD, self._client._calls.hold),
                last_entry_id=last,
            )

        ended = False
        while not ended:
            async for batch in self._client._calls.stream(
                lambda link: link.control.SandboxGetLogs, request, {}, CONTROL
            ):
                last = batch.entry_id or last
                ended = ended or batch.eof
                for item in batch.items:
                    if item.data:
                        yield item.data.encode()

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input.

        Raises:
            StdinClosedError: its end was written before, or nobody reads it any more.
        """
        async with self._writing:
            request = SandboxStdinWriteRequest(
                sandbox_id=self._sandbox_id, input=data, index=self._index + 1, eof=eof
            )
            try:
                # No deadline: the program may take its input as late as it likes.
                await self._client._calls.control(
                    lambda link: link.control.SandboxStdinWrite, request, timeout=None
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._index += 1
