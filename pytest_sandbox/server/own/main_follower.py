"""Follows the main process of a sandbox for the client that has created it.

Nothing of this is recorded: it goes on only while no call is recorded or disturbed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import extensions_pb2 as pb

from ..model.sandbox import ServedSandbox
from ..rpc.answers import Room
from ..rpc.errors import invalid
from ..v1.logs import CHUNK, LogText, output
from .call_follower import AHEAD, CallFollower

if TYPE_CHECKING:
    from pytest_sandbox.engine import OutputLog

_DESCRIPTORS = (common_pb2.FILE_DESCRIPTOR_STDOUT, common_pb2.FILE_DESCRIPTOR_STDERR)


class _Followed:
    """One stream, and what was sent of it.

    Attributes:
        descriptor: which, as messages name it.
        until: offset up to which bytes may be sent.
        read: whether the caller reads it.
        ended: whether the caller was told that it has ended.
        closed: whether the caller has given it up.
    """

    def __init__(self, sandbox: ServedSandbox, descriptor: "common_pb2.FileDescriptor") -> None:
        self.descriptor = descriptor
        self.until = AHEAD
        self.read = self.ended = self.closed = False
        self._log: OutputLog = output(sandbox.commands.main_logs, descriptor)
        self._text = LogText(sandbox, descriptor, 0)

    @property
    def under_way(self) -> bool:
        """Whether it is being read."""
        return self.read and not (self.ended or self.closed)

    @property
    def lost(self) -> bool:
        """Whether what comes next is an error, which its own call tells."""
        log, sent = self._log, self._text.offset
        over = self.ended or self.closed
        return not over and (sent < log.first or (log.incomplete and sent == log.end))

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have a function called when there is more; the result undoes that."""
        return self._log.watch(changed)

    def taken(self) -> None:
        """The caller has what was sent."""
        self._log.taken(self._text.offset)

    async def next(self, room: Room) -> pb.SandboxFollowOutput | None:
        """What is sent next; `None` for nothing now."""
        if self.ended or self.closed or self.lost:
            return None
        sent, end = self._text.offset, self._log.end
        size = max(0, min(end, self.until) - sent)
        if not size and not (self._log.closed and sent == end):
            return None
        if size > AHEAD:
            # A byte that is not UTF-8 becomes three.
            size = await room(3 * min(size, CHUNK)) // 3
        data = self._log.peek(sent, size)
        if size and not data:
            return None  # dropped while there was no room: no end, but an error
        batch = self._text.batch(data)
        if self.read:
            self.taken()
        self.ended = not data
        if batch is None:
            return None
        return pb.SandboxFollowOutput(
            file_descriptor=self.descriptor, batch=batch, offset=self._text.offset
        )


class MainFollower(CallFollower[pb.SandboxFollowRequest, pb.SandboxFollowResponse]):
    """Follows a main process for one caller.

    Args:
        sandbox: whose.
        apart: whether further calls have to be made by themselves.
        room: waits until the client takes more of a large response.
    """

    def __init__(self, sandbox: ServedSandbox, apart: Callable[[], bool], room: Room) -> None:
        generation = sandbox.generation
        # Those about a sandbox that was restored, by another of its clients say, are about another
        # main process.
        super().__init__(lambda: apart() or sandbox.generation != generation, room)
        self._sandbox = sandbox
        self._outputs = [_Followed(sandbox, each) for each in _DESCRIPTORS]
        self._result_told = False

    @property
    def has_output(self) -> bool:
        """Whether the process has written something."""
        return any(each.end for each in self._sandbox.commands.main_logs)

    async def _take(self, request: pb.SandboxFollowRequest) -> None:
        asked = request.WhichOneof("payload")
        if asked == "read":
            asked_for = self._output(request.read.file_descriptor)
            if not asked_for.read and self._must_part():
                return  # the caller has been told, or is about to be
            asked_for.read = True
            asked_for.taken()
            asked_for.until = max(asked_for.until, request.read.until)
        elif asked == "close":
            self._output(request.close).closed = True
        else:
            raise invalid(f"expected read or close in SandboxFollow, not {asked}")

    def _output(self, descriptor: "common_pb2.FileDescriptor") -> _Followed:
        for each in self._outputs:
            if each.descriptor == descriptor:
                return each
        raise invalid(f"file_descriptor must be 1 (stdout) or 2 (stderr), not {descriptor}")

    def _watch(self) -> Callable[[], None]:
        unwatch = [each.watch(self._look) for each in self._outputs]
        self._sandbox.at_end.append(self._look)

        def undo() -> None:
            for each in unwatch:
                each()
            self._sandbox.at_end.remove(self._look)

        return undo

    def _parting(self) -> pb.SandboxFollowResponse:
        under_way = [each.descriptor for each in self._outputs if each.under_way]
        for each in self._outputs:
            each.closed = each.closed or not each.under_way
        self._no_more_asked = self._result_told = True
        return pb.SandboxFollowResponse(apart=True, reading=under_way)

    async def _next(self) -> pb.SandboxFollowResponse | None:
        told = [await each.next(self._room) for each in self._outputs]
        response = pb.SandboxFollowResponse(output=filter(None, told))
        result = self._sandbox.result
        if result is not None and self._sandbox.lost is None and not self._result_told:
            self._result_told = True
            response.result.CopyFrom(result)
        return response if response.ByteSize() else None

    def _over(self) -> bool:
        if self._sandbox.lost is not None or any(each.lost for each in self._outputs):
            return True  # by its own call, the caller gets the error
        return self._no_more_asked and not any(each.under_way for each in self._outputs)
