"""The standard streams of a sandbox's main process, which go through the control plane."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import FILE_DESCRIPTOR_STDERR, FILE_DESCRIPTOR_STDOUT
from pytest_sandbox._proto.sandboxes_pb2 import SandboxGetLogsRequest, SandboxStdinWriteRequest

from ..exceptions import ConflictError, StdinClosedError
from ..transport.retries import CONTROL
from .output import STDOUT, OutputStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pytest_sandbox._proto.common_pb2 import TaskLogsBatch

    from ..transport.calls import Calls
    from ..transport.reading import Reading
    from .main_following import FollowedMain

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds that the server holds a request for logs, as Modal's client asks.
_HOLD = 55.0


class MainStdio:
    """Input and output of the main process of one sandbox.

    Args:
        calls: to call with.
        sandbox_id: which.
        followed: by the call that tells of it, if there is one.
    """

    def __init__(self, calls: Calls, sandbox_id: str, followed: FollowedMain | None) -> None:
        self._calls = calls
        self._followed = followed
        self._sandbox_id = sandbox_id
        self._index = 0
        self._writing = asyncio.Lock()

    def output(self, descriptor: int) -> OutputStream:
        """What it writes to `STDOUT` or `STDERR`, from its beginning."""
        return _MainOutput(self._calls, self._sandbox_id, descriptor, self._followed)

    async def write(self, data: bytes, eof: bool) -> None:
        """Write to its standard input.

        Raises:
            StdinClosedError: the input was closed before, or the program does not read it any more.
        """
        async with self._writing:
            request = SandboxStdinWriteRequest(
                sandbox_id=self._sandbox_id, input=data, index=self._index + 1, eof=eof
            )
            try:
                # No deadline: the program may take its input as late as it likes.
                await self._calls.control(
                    lambda link: link.control.SandboxStdinWrite, request, timeout=None
                )
            except ConflictError as error:
                raise StdinClosedError(str(error)) from error
            self._index += 1


class _MainOutput(OutputStream):
    def __init__(
        self, calls: Calls, sandbox_id: str, descriptor: int, followed: FollowedMain | None
    ) -> None:
        self._calls = calls
        self._descriptor = descriptor
        self._followed = followed
        self._request = SandboxGetLogsRequest(
            sandbox_id=sandbox_id,
            file_descriptor=FILE_DESCRIPTOR_STDOUT
            if descriptor == STDOUT
            else FILE_DESCRIPTOR_STDERR,
            timeout=max(_HOLD, calls.hold),
        )
        self._ended = False

    def offer_to(self, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]]) -> None:
        """Have all of it offered to who reads it, if it comes before it is asked for."""
        if self._followed is not None:
            self._followed.following.offer_to(self._descriptor, reading, cut)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on; whole characters only, as the wire has text here."""
        if self._followed is not None:
            async with aclosing(self._followed.following.batches(self._descriptor)) as came:
                async for batch in came:
                    if data := self._taken(batch):
                        yield data
        while not self._ended:
            async for batch in self._calls.stream(
                lambda link: link.control.SandboxGetLogs, lambda: self._request, {}, CONTROL
            ):
                if data := self._taken(batch):
                    yield data

    def _taken(self, batch: TaskLogsBatch) -> bytes:
        """The bytes of a batch, behind which the position is then."""
        self._request.last_entry_id = batch.entry_id or self._request.last_entry_id
        self._ended = self._ended or batch.eof
        return "".join(item.data for item in batch.items).encode()
