"""Follows one command for one caller: its output as it comes, and how it ended.

Asking for output or for the exit code is a call that this stands for. It is recorded as such, when
the caller asks. Where calls are recorded, nothing is sent before that. Else some output and the
exit code 0 are sent ahead, which saves asking for them.
"""

import asyncio
from collections.abc import Callable

from grpclib import GRPCError

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto import router_pb2
from pytest_sandbox.engine import OutputLog

from ..async_helpers import start
from ..commands.execution import CommandExecution
from ..rpc.answers import Room
from ..rpc.errors import invalid
from ..v1.router import CHUNK, exit_status
from .call_follower import AHEAD, CallFollower
from .stood_for import StoodFor

#: Bytes of output that may wait for more of it where the caller wants it all: a message less.
_HELD = 16 * 1024
_EVERYTHING = 2**63
#: Seconds after which a caller who wants it all at once is told that the command runs.
_STARTED_AFTER = 1.0
#: Seconds after the end of a command in which its input, if it left some, is found to be refused.
#: Something that it started may still hold the pipe.
_REFUSED_WITHIN = 0.1

#: Begins a call that is stood for, given its name.
Begin = Callable[[str], StoodFor]


class _Output:
    """One stream, and what was sent of it.

    Attributes:
        sent: offset of the next byte to send.
        until: offset up to which bytes may be sent.
        call: reads it; `None` before the caller asks, and after it has given up.
        ended: whether the caller was told that it has ended.
        closed: whether the caller has given it up.
    """

    def __init__(self, descriptor: int, log: OutputLog, ahead: int) -> None:
        self.descriptor = descriptor
        self.log = log
        self.sent = 0
        self.until = ahead
        self.call: StoodFor | None = None
        self.ended = False
        self.closed = False

    @property
    def under_way(self) -> bool:
        """Whether it is being read."""
        return self.call is not None and not self.ended

    @property
    def waiting(self) -> int:
        """Bytes that could be sent."""
        return 0 if self.closed else max(0, min(self.log.end, self.until) - self.sent)

    @property
    def lost(self) -> bool:
        """Whether what comes next is an error, which its own call tells."""
        log = self.log
        return self.sent < log.first or (log.incomplete and self.sent == log.end)

    async def next(self, room: Room) -> bytes:
        """What is sent next."""
        size = self.waiting
        if size > AHEAD:
            size = await room(min(size, CHUNK))
        data = self.log.peek(self.sent, size)
        self.sent += len(data)
        if self.call is not None:
            self.log.taken(self.sent)
            self.call.respond(router_pb2.TaskExecStdioReadResponse(data=data))
        return data

    def ends(self, ahead: bool) -> bool:
        """Whether it is to be said now that it has ended."""
        over = self.log.closed and self.sent == self.log.end
        return over and not (self.ended or self.closed) and (ahead or self.call is not None)


class Follower(CallFollower[pb.ExecFollowRequest, pb.ExecFollowResponse]):
    """Follows a command for one caller.

    Args:
        execution: the command.
        begin: begins a call that is stood for.
        apart: whether further calls have to be made by themselves.
        room: waits until the client takes more of a large response.
        ahead: whether something may be sent before it is asked for.
    """

    def __init__(
        self,
        execution: CommandExecution,
        begin: Begin,
        apart: Callable[[], bool],
        room: Room,
        *,
        ahead: bool,
    ) -> None:
        super().__init__(apart, room)
        self._execution = execution
        self._begin = begin
        self._ahead = ahead
        credit = AHEAD if ahead else 0
        self._outputs = [
            _Output(descriptor, log, credit) for descriptor, log in enumerate(execution.logs)
        ]
        self._wait: StoodFor | None = None
        self._exit_sent = self._failure_told = False
        self._parted_with_exit = False
        self._whole = self._is_slow = False
        self._slow: asyncio.TimerHandle | None = None
        self._write: StoodFor | None = None
        self._writing: asyncio.Future[None] | None = None

    async def everything(self, given: bytes) -> None:
        """The caller wants all there is.

        Args:
            given: the input of the command, all of it.
        """
        self._whole = self._no_more_asked = True
        self._slow = asyncio.get_running_loop().call_later(_STARTED_AFTER, self._take_time)
        await self._waited(True)
        for output in self._outputs:
            await self._read(output, _EVERYTHING)
        self._write = self._begin("TaskExecStdinWrite")
        await self._write.request(
            lambda call: router_pb2.TaskExecStdinWriteRequest(
                task_id=call.task_id, exec_id=self._execution.id, data=given, eof=True
            )
        )
        self._writing = start(self._give(given, self._write))

    def _take_time(self) -> None:
        self._is_slow = True
        self._look()

    async def _give(self, given: bytes, write: StoodFor) -> None:
        try:
            await self._execution.stdin.write_at(0, given, True)
        except GRPCError as error:  # it does not read all of it
            write.fail(error)
        else:
            self._written(write)

    def _written(self, write: StoodFor) -> None:
        write.respond(router_pb2.TaskExecStdinWriteResponse())
        write.end()

    async def _take(self, request: pb.ExecFollowRequest) -> None:
        asked = request.WhichOneof("payload")
        if asked == "read":
            await self._read(self._output(request.read.file_descriptor), request.read.until)
        elif asked == "close":
            self._close(self._output(request.close))
        elif asked == "wait":
            await self._waited(request.wait)
        else:
            raise invalid(f"expected read, close or wait in ExecFollow, not {asked}")

    def _output(self, descriptor: int) -> _Output:
        if descriptor not in (0, 1):
            raise invalid(f"file_descriptor must be 0 (stdout) or 1 (stderr), not {descriptor}")
        return self._outputs[descriptor]

    async def _read(self, output: _Output, until: int) -> None:
        if output.call is None:
            if self._must_part():
                return  # the caller is about to be told
            output.call = self._begin("TaskExecStdioRead")
            self._execution.claims += 1
            await output.call.request(
                lambda call: router_pb2.TaskExecStdioReadRequest(
                    task_id=call.task_id,
                    exec_id=self._execution.id,
                    file_descriptor=output.descriptor,  # type: ignore[arg-type]  # a number
                )
            )
            output.log.taken(output.sent)
            if output.ended:
                self._read_to_end(output.call)
        output.until = max(output.until, until)

    def _read_to_end(self, call: StoodFor) -> None:
        self._execution.status()  # the end of the output tells a client of the end
        call.end()

    def _close(self, output: _Output) -> None:
        output.closed = True
        if output.call is not None:
            output.call.give_up()

    async def _waited(self, waits: bool) -> None:
        if not waits:
            if self._wait is not None:
                self._wait.give_up()
                self._exit_sent = True
        elif self._wait is None and not self._must_part():
            self._wait = self._begin("TaskExecWait")
            self._execution.claims += 1
            self._execution.status()
            await self._wait.request(
                lambda call: router_pb2.TaskExecWaitRequest(
                    task_id=call.task_id, exec_id=self._execution.id
                )
            )
            if self._exit_sent:
                self._wait.end()

    def _watch(self) -> Callable[[], None]:
        unwatch = [output.log.watch(self._look) for output in self._outputs]
        self._execution.at_end.append(self._look)

        def undo() -> None:
            for each in unwatch:
                each()
            self._execution.at_end.remove(self._look)
            self._give_up()

        return undo

    async def _last(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=_REFUSED_WITHIN)

    def _give_up(self) -> None:
        """Nothing more is said, whether or not there is more."""
        if self._slow is not None:
            self._slow.cancel()
        if self._write is not None and self._execution.stdin.closed:
            self._written(self._write)  # a moment before it knows itself
        if self._writing is not None:
            self._writing.cancel()
        for call in (*(output.call for output in self._outputs), self._wait, self._write):
            if call is not None:
                call.give_up()

    def _can_part(self) -> bool:
        return not self._whole

    def _meanwhile(self) -> pb.ExecFollowResponse | None:
        if not self._is_slow:
            return None
        self._is_slow = False
        return pb.ExecFollowResponse(started=True)

    def _parting(self) -> pb.ExecFollowResponse:
        for output in self._outputs:
            output.closed = output.closed or not output.under_way
        under_way = [output.descriptor for output in self._outputs if not output.closed]
        self._no_more_asked = self._parted_with_exit = True
        waiting = self._wait is not None and not self._exit_sent
        return pb.ExecFollowResponse(apart=True, reading=under_way, waiting=waiting)  # type: ignore[arg-type]

    async def _next(self) -> pb.ExecFollowResponse | None:
        response = pb.ExecFollowResponse()
        exited = self._execution.process.poll() is not None
        if self._whole and not self._whole_is_due(exited):
            return None
        out, err = self._outputs
        if out.waiting and not out.lost:
            response.stdout = await out.next(self._room)
        if err.waiting and not err.lost:
            response.stderr = await err.next(self._room)
        # Ahead of that, the end of a stream waits for the exit code, which mostly comes at once.
        ahead = self._ahead and exited
        ended = [output.ends(ahead) and not output.lost for output in self._outputs]
        response.stdout_ended, response.stderr_ended = ended
        if exited and not (self._exit_sent or self._lost):
            self._tell_exit(response)
        for output, says in zip(self._outputs, ended, strict=True):
            output.ended = output.ended or says
            if says and output.call is not None:
                self._read_to_end(output.call)
        if self._wait is not None and response.HasField("exit"):
            self._wait.respond(response.exit)
            self._wait.end()
        return response if response.ByteSize() else None

    def _whole_is_due(self, exited: bool) -> bool:
        """Whether what there is, is so much or so complete that it is to be sent."""
        if any(output.waiting >= _HELD for output in self._outputs):
            return True
        return exited and all(output.log.closed for output in self._outputs)

    def _tell_exit(self, response: pb.ExecFollowResponse) -> None:
        if self._wait is not None:
            response.exit.CopyFrom(router_pb2.TaskExecWaitResponse(**exit_status(self._execution)))
            self._exit_sent = True
            return
        status = self._execution.process.poll()
        if not self._ahead or status is None or self._parted_with_exit or self._failure_told:
            return
        if status.returncode == 0:
            response.exit.code = 0
            self._exit_sent = True
        else:  # that counts as told when the caller asks for it
            response.failed = self._failure_told = True

    @property
    def _lost(self) -> bool:
        """Whether nobody knows how it ended, which a call that asks for that tells."""
        return self._execution.process.lost is not None

    def _over(self) -> bool:
        if self._lost and not self._exit_sent:
            return True
        if any(output.lost and not output.closed for output in self._outputs):
            return True  # by its own call, the caller gets the error
        waiting = self._wait is not None and not self._exit_sent
        reading = any(output.under_way and not output.closed for output in self._outputs)
        if waiting or reading:
            return False
        asked = self._wait is not None and all(
            output.call is not None or output.closed for output in self._outputs
        )
        return asked or self._no_more_asked
