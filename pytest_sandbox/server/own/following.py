"""Commands in one call each, which stands for those that start, read, and wait."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto import router_pb2

from ..commands.execution import CommandExecution
from ..model.state import State
from ..rpc.call import AnyStream, ServedCall
from ..rpc.errors import invalid
from ..rpc.handlers import unrecorded
from ..rpc.middleware import Middleware
from ..v1.router import start_command
from .call_follower import Followers
from .follower import Follower
from .stood_for import StoodFor

#: What `ExecFollow` stands for. A poll is answered by an exit code that was sent ahead.
_STOOD_FOR = (
    "TaskExecStart",
    "TaskExecStdinWrite",
    "TaskExecStdioRead",
    "TaskExecWait",
    "TaskExecPoll",
)


class FollowServicer:
    """The RPC `ExecFollow`.

    Args:
        state: the server's.
        middleware: records the calls that it stands for.
    """

    def __init__(self, state: State, middleware: Middleware) -> None:
        self._state = state
        self._middleware = middleware
        self._followers = Followers()

    @unrecorded
    async def ExecFollow(
        self, requests: AnyStream, call: ServedCall
    ) -> AsyncIterator[pb.ExecFollowResponse]:
        """Start a command, take its input, and send its output and exit code."""
        first = await requests.recv_message()
        if first is None or first.WhichOneof("payload") != "start":
            raise invalid("the first message of ExecFollow must be its start")
        call.task_id = self._state.tokens.check(call.header("authorization"))
        if self._disturbed():
            yield pb.ExecFollowResponse(apart=True)
            return
        recorded = self._middleware.recording
        execution = await self._started(first.start.command, call)
        if self._disturbed() or self._middleware.recording != recorded:
            yield pb.ExecFollowResponse(apart=True, started=True)
            return
        follower = Follower(
            execution,
            lambda rpc: StoodFor(rpc, call, self._middleware),
            lambda: self._disturbed() or (self._middleware.recording and not recorded),
            call.room,
            ahead=not recorded,
        )
        if first.start.whole:
            await follower.everything(first.start.input)
            async with aclosing(follower.responses()) as responses:
                async for response in responses:
                    yield response
            return
        try:
            yield pb.ExecFollowResponse(started=True, ahead=not recorded)
        except BaseException:  # the client is gone, and does not know
            call.lose()
            raise
        with self._followers.listening(follower, requests):
            async with aclosing(follower.responses()) as responses:
                async for response in responses:
                    yield response

    async def tell(self) -> None:
        """Calls are recorded or disturbed from now on: return when the clients know."""
        await self._followers.tell()

    def _disturbed(self) -> bool:
        return self._middleware.disturbs(*_STOOD_FOR)

    async def _started(
        self, request: router_pb2.TaskExecStartRequest, call: ServedCall
    ) -> CommandExecution:
        stood_for = StoodFor("TaskExecStart", call, self._middleware)
        try:
            await stood_for.request(lambda _: request)
            execution = await start_command(self._state, request, call)
        except BaseException as error:
            stood_for.fail(error)
            call.lose()
            raise
        stood_for.respond(router_pb2.TaskExecStartResponse())
        stood_for.end()
        return execution
