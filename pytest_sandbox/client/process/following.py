"""A command in one call, which only servers of this package have.

`ExecFollow` starts the command, and sends its output and exit code. It stands for the calls that
do so one by one. These go on wherever it ends: where the connection breaks, where a server does not
have it, and where it says that calls are to be made by themselves, because a test disturbs them.

Where calls are not recorded, the server sends output and the code 0 before they are asked for. Then
what is asked for is told a moment later, and only if it has not come by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.extensions_pb2 import (
    ExecFollowRead,
    ExecFollowRequest,
    ExecFollowResponse,
    ExecFollowStart,
)
from pytest_sandbox._proto.router_pb2 import (
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR,
    TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT,
)

from .open_stream import OpenStream
from .output import STDERR, STDOUT
from .received_stream import ReceivedStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection

    from pytest_sandbox._proto.router_pb2 import TaskExecStartRequest, TaskExecWaitResponse

    from ..transport.calls import Calls, Metadata
    from ..transport.reading import Reading

__tracebackhide__ = True  # a failing test shows the caller's line, not these

RPC = "ExecFollow"
#: Bytes of input that the call takes along.
MOST_INPUT = 4 * 1024 * 1024
#: Commands that run and that one client follows at a time: they may run for ever.
MOST = 32


class _Received(ReceivedStream):
    """The output of a command.

    Attributes:
        data: what was not read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.data = bytearray()

    def _unread(self) -> bytes:
        return bytes(self.data)

    def _clear(self) -> None:
        self.data.clear()


class Following(OpenStream[ExecFollowRequest, ExecFollowResponse]):
    """What comes by one call about one command. On the portal's loop only.

    Args:
        calls: make it.
        metadata: of the call.
        command: to start.
        given: all of its standard input, to get all of its output; `None` to get what is asked for.
    """

    def __init__(
        self, calls: Calls, metadata: Metadata, command: TaskExecStartRequest, given: bytes | None
    ) -> None:
        super().__init__(calls, calls.followed)
        self._whole = given is not None
        self._streams = {
            STDOUT: _Received(TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT),
            STDERR: _Received(TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR),
        }
        self._started = self._ahead = self._failed = False
        self._exit: TaskExecWaitResponse | None = None
        self._waits = self._waiting = self._waits_elsewhere = False
        start = ExecFollowStart(command=command, whole=self._whole, input=given)
        self._open(
            lambda link: link.extensions.ExecFollow,
            metadata,
            "TaskExecStart",
            ExecFollowRequest(start=start),
            whole=self._whole,
        )

    @property
    def has_begun(self) -> bool:
        """Whether the server has said that the command has started."""
        return self._started

    async def begun(self) -> bool:
        """Whether the command has started; `False` if that is to be done by a call of its own.

        Raises:
            Error: it cannot be started.
        """
        while not (self._started or self.over):
            await self._change()
        if not self._started:
            self._raise_unless_elsewhere()
        return self._started

    async def everything(self) -> tuple[TaskExecWaitResponse, bytes, bytes] | None:
        """All that there is, if all of it comes here.

        Raises:
            Error: the command cannot be started.
        """
        while not self.over:
            await self._change()
        if not self._started:
            self._raise_unless_elsewhere()
        out, err = self._streams[STDOUT], self._streams[STDERR]
        if self._exit is None or not (out.ended and err.ended):
            return None
        return self._exit, bytes(out.data), bytes(err.data)

    def offer_to(
        self, descriptor: int, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]]
    ) -> None:
        """Say who reads a stream; see `ReceivedStream`."""
        received = self._streams[descriptor]
        received.offer_to(reading, cut, whole=self._need_not_ask(received))

    async def chunks(self, descriptor: int, offset: int) -> AsyncGenerator[bytes, None]:
        """What comes of a stream from an offset on.

        If it ends before `ended` says so, the rest is to be read by a call of its own.
        """
        received = self._streams[descriptor]
        if received.elsewhere or received.offset != offset:
            return
        received.asked = True
        self._calls.wait()
        self._ask()
        try:
            while not received.elsewhere:
                if received.data:
                    data = bytes(received.data)
                    received.data.clear()
                    received.offset += len(data)
                    yield data
                    self._calls.wait()  # another call may read on
                    if received.wants_more:
                        self._allow(received)
                elif received.ended or not self._alive:
                    return
                else:
                    await self._change()
        finally:
            if not received.ended and not received.elsewhere:
                received.leave()
                self._say(ExecFollowRequest(close=received.descriptor))  # type: ignore[arg-type]

    def ended(self, descriptor: int, offset: int) -> bool:
        """Whether a stream ends at an offset."""
        received = self._streams[descriptor]
        at_end = received.ended and not received.elsewhere
        return at_end and received.offset == offset and not received.data

    async def exit(self) -> TaskExecWaitResponse | None:
        """How the command ended, once it has; `None` if a call of its own has to ask."""
        self._waits = True
        self._calls.wait()
        self._ask()
        try:
            while self._exit is None and self._alive and not self._waits_elsewhere:
                await self._change()
            return self._exit
        finally:
            if self._exit is None and not self._waits_elsewhere:
                self._give_up_waiting()

    def known_exit(self) -> TaskExecWaitResponse | None:
        """How the command ended, if that has come ahead; never while calls are recorded.

        On any thread.
        """
        known = self._exit if self._ahead and not self.over else None
        if known is not None:
            self._waits = True  # the caller has it, so it is not forgotten
        return known

    def retire(self) -> bool:
        """Have nothing more come, and forget what was not asked for, which other calls get.

        Returns:
            Whether that was done: not so while something is waited for.
        """
        if self._waits and self._exit is None and not self._waits_elsewhere:
            return False
        if any(received.under_way for received in self._streams.values()):
            return False
        self._leave((), False)
        self.close()
        return True

    def _take(self, response: ExecFollowResponse) -> None:
        begins = not self._started
        self._started = self._started or response.started or not response.apart
        self._ahead = self._ahead or response.ahead
        if response.apart:
            self._leave(response.reading, response.waiting)
        out, err = self._streams.values()
        out.data += response.stdout
        err.data += response.stderr
        out.ended = out.ended or response.stdout_ended
        err.ended = err.ended or response.stderr_ended
        if response.HasField("exit"):
            self._exit = response.exit
        for received in (out, err):
            if self._need_not_ask(received):
                received.offer()
        self._failed = self._failed or response.failed
        if begins or response.failed:
            self._ask()
        elif not self._has_to_tell:
            self._need_not_tell()
        if not self._whole and (self._failed or self._exit is not None):
            self._calls.followed.ended(self)

    def _leave(self, reading: Collection[int], waiting: bool) -> None:
        """Leave all that the server does not go on with."""
        for received in self._streams.values():
            received.part(reading)
        if not waiting and not (self._waits and self._exit is not None):
            self._waits_elsewhere = True
            self._exit = None

    def _ask(self) -> None:
        """Have the server told what is asked for here, unless it comes at once."""
        if not self._started or self._whole:
            return
        if self._failed or not self._ahead:
            self._tell()
        elif self._has_to_tell:
            self._tell_soon(self._tell)

    @property
    def _has_to_tell(self) -> bool:
        """Whether something is asked for here that has not come, and the server was not told."""
        return self._is_untold_wait or any(map(self._is_untold, self._streams.values()))

    @property
    def _is_untold_wait(self) -> bool:
        return self._waits and self._exit is None and not (self._waiting or self._waits_elsewhere)

    def _is_untold(self, received: _Received) -> bool:
        """Whether the server has to be told of a stream."""
        return received.is_untold and not self._need_not_ask(received)

    def _need_not_ask(self, received: _Received) -> bool:
        """Whether the server need not hear that a stream is read: all came, and it succeeded."""
        return received.ended and self._exit is not None

    def _tell(self) -> None:
        """Tell the server what is asked for here."""
        for received in self._streams.values():
            if self._is_untold(received):
                self._allow(received)
        if self._is_untold_wait:
            self._waiting = True
            self._say(ExecFollowRequest(wait=True))

    def _allow(self, received: _Received) -> None:
        """Let the server send more of a stream that is read here."""
        read = ExecFollowRead(file_descriptor=received.descriptor, until=received.allow())  # type: ignore[arg-type]
        self._say(ExecFollowRequest(read=read))

    def _give_up_waiting(self) -> None:
        self._waits_elsewhere = True
        if not self._waiting:
            self._say(ExecFollowRequest(wait=True))
        self._say(ExecFollowRequest(wait=False))
