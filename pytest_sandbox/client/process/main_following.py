"""A new sandbox and the output of its main process in one call, which only our servers have.

`SandboxFollow` creates the sandbox, and sends output, and how it ended. It stands for the calls
that do so one by one, and ends nothing when it ends. These calls go on wherever it ends: where the
connection breaks, and where the server says that calls are to be made by themselves, because they
are recorded or disturbed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import FILE_DESCRIPTOR_STDERR, FILE_DESCRIPTOR_STDOUT
from pytest_sandbox._proto.extensions_pb2 import (
    SandboxFollowRead,
    SandboxFollowRequest,
    SandboxFollowResponse,
)

from ..transport.portal import portal
from .open_stream import OpenStream
from .output import STDERR, STDOUT
from .received_stream import ReceivedStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection

    from pytest_sandbox._proto.common_pb2 import GenericResult, TaskLogsBatch
    from pytest_sandbox._proto.extensions_pb2 import SandboxFollowOutput

    from ..transport.calls import Calls, Metadata
    from ..transport.reading import Reading

__tracebackhide__ = True  # a failing test shows the caller's line, not these

RPC = "SandboxFollow"
#: Sandboxes that one client creates by it at a time.
MOST_CREATED = 32


class _MainOutputReceived(ReceivedStream):
    """The output of a main process.

    Attributes:
        came: what was not read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.came: deque[SandboxFollowOutput] = deque()

    def _unread(self) -> bytes:
        return "".join(item.data for each in self.came for item in each.batch.items).encode()

    def _clear(self) -> None:
        self.came.clear()


class MainFollowing(OpenStream[SandboxFollowRequest, SandboxFollowResponse]):
    """What comes by one call about one sandbox. On the portal's loop only.

    Args:
        calls: make it.
        metadata: of the call that creates the sandbox, for which it stands first.
        request: with the request of that.
    """

    def __init__(self, calls: Calls, metadata: Metadata, request: SandboxFollowRequest) -> None:
        super().__init__(calls, calls.followed_mains)
        self._streams = {
            STDOUT: _MainOutputReceived(FILE_DESCRIPTOR_STDOUT),
            STDERR: _MainOutputReceived(FILE_DESCRIPTOR_STDERR),
        }
        self._first: SandboxFollowResponse | None = None
        self._result: GenericResult | None = None
        self._apart = False
        rpc = "SandboxRestore" if request.HasField("restore") else "SandboxCreate"
        self._open(lambda link: link.extensions.SandboxFollow, metadata, rpc, request, whole=False)

    async def created(self) -> SandboxFollowResponse | None:
        """What the server says of the new sandbox; `None` if a call of its own has to create it.

        Raises:
            Error: it cannot be created.
        """
        while self._first is None and not self.over:
            await self._change()
        first = self._first
        if first is None:
            self._raise_unless_elsewhere()
        elif first.HasField("created") or first.HasField("restored"):
            return first
        return None

    def offer_to(
        self, descriptor: int, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]]
    ) -> None:
        """Say who reads a stream; see `ReceivedStream`."""
        received = self._streams[descriptor]
        received.offer_to(reading, cut, whole=received.ended)

    async def batches(self, descriptor: int) -> AsyncGenerator[TaskLogsBatch, None]:
        """What comes of a stream.

        If the last one is not its end, the rest is to be read by calls of its own.
        """
        received = self._streams[descriptor]
        if received.elsewhere:
            return
        received.asked = True
        self._calls.wait()
        if not received.ended and not received.until:
            self._tell_soon(self._tell)
        try:
            while not received.elsewhere:
                if received.came:
                    output = received.came.popleft()
                    received.offset = output.offset
                    yield output.batch
                    self._calls.wait()  # another call may read on
                    if received.wants_more:
                        self._allow(received)
                elif received.ended or not self._alive:
                    return
                else:
                    await self._change()
        finally:
            if not received.elsewhere:
                received.leave()
                if not received.ended:
                    self._say(SandboxFollowRequest(close=received.descriptor))  # type: ignore[arg-type]

    @property
    def result(self) -> GenericResult | None:
        """How the sandbox ended, if that has come; never while calls are recorded."""
        return self._result if self._alive else None

    def retire(self) -> bool:
        """Have nothing more come, and forget what was not asked for, which other calls get.

        Returns:
            Whether that was done: not so while something is waited for.
        """
        if self._first is None or any(each.under_way for each in self._streams.values()):
            return False
        self._leave(())
        self.close()
        return True

    def _take(self, response: SandboxFollowResponse) -> None:
        if self._first is None:
            self._first = response
            self._kept.ended(self)  # only so many are kept
        if response.apart:
            self._leave(response.reading)
        for output in response.output:
            for received in self._streams.values():
                if received.descriptor == output.file_descriptor and not received.elsewhere:
                    received.came.append(output)
                    received.ended = output.batch.eof
                    if received.ended:
                        received.offer()
        if response.HasField("result") and not self._apart:
            self._result = response.result

    def _leave(self, reading: Collection[int]) -> None:
        """Leave all that the server does not go on with."""
        self._apart = True
        self._result = None
        for received in self._streams.values():
            received.part(reading)

    def _tell(self) -> None:
        """Tell the server what is read here and has not ended."""
        for received in self._streams.values():
            if received.is_untold and not received.ended:
                self._allow(received)

    def _allow(self, received: _MainOutputReceived) -> None:
        """Let the server send more of a stream that is read here."""
        read = SandboxFollowRead(file_descriptor=received.descriptor, until=received.allow())  # type: ignore[arg-type]
        self._say(SandboxFollowRequest(read=read))


class FollowedMain:
    """Such a call, which ends when nobody can ask it for anything any more."""

    def __init__(self, following: MainFollowing) -> None:
        self.following = following
        self._portal = portal()

    def __del__(self) -> None:
        """Nobody can."""
        if not self.following.over:
            self._portal.call_soon(self.following.close)
