"""Sandboxes whose main process is followed by the call that creates them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from pytest_sandbox._proto import extensions_pb2 as pb

from ..model.state import State
from ..rpc.call import AnyStream, ServedCall
from ..rpc.errors import failure, invalid
from ..rpc.handlers import handler_of, unrecorded
from ..rpc.idempotency import Outcomes, remembering
from ..rpc.middleware import Middleware
from .call_follower import Followers
from .main_follower import MainFollower
from .stood_for import StoodFor

#: The calls that create sandboxes, by the names of their requests in the first message, and the
#: names of their answers.
_CREATES = {
    "create": ("SandboxCreate", "created"),
    "restore": ("SandboxRestore", "restored"),
}
#: What `SandboxFollow` stands for once there is a sandbox.
_ABOUT_IT = ("SandboxGetLogs", "SandboxWait")


class MainFollowServicer:
    """The RPC `SandboxFollow`.

    Args:
        state: the server's.
        middleware: records the calls that it stands for.
        outcomes: of calls with an idempotency key.
        servicer_of: gives the servicer with the handler of an RPC.
    """

    def __init__(
        self,
        state: State,
        middleware: Middleware,
        outcomes: Outcomes[Any],
        servicer_of: Callable[[str], object | None],
    ) -> None:
        self._state = state
        self._middleware = middleware
        self._outcomes = outcomes
        self._servicer_of = servicer_of
        self._followers = Followers()
        self._create: dict[str, Callable[[Any, ServedCall], Awaitable[Any]]] = {}

    @unrecorded
    async def SandboxFollow(
        self, requests: AnyStream, call: ServedCall
    ) -> AsyncIterator[pb.SandboxFollowResponse]:
        """Create a sandbox, and send the output of its main process and how it ended."""
        first = await requests.recv_message()
        asked = first.WhichOneof("payload") if first is not None else None
        if asked not in _CREATES:
            raise invalid(
                "the first message of SandboxFollow must create a sandbox, or restore one"
            )
        rpc, answer = _CREATES[asked]
        if self._middleware.disturbs(rpc):
            yield pb.SandboxFollowResponse(apart=True)
            return
        created, metadata = await self._created(rpc, getattr(first, asked), call)
        told = pb.SandboxFollowResponse(
            task_id=metadata["x-sandbox-task-id"], router_jwt=metadata["x-sandbox-router-jwt"]
        )
        getattr(told, answer).CopyFrom(created)
        sandbox = self._state.sandboxes.get(created.sandbox_id)
        follower = MainFollower(sandbox, self._watched, call.room)
        if self._watched():
            told.apart = True
            yield told
            return
        with self._followers.listening(follower, requests):
            yield told
            if not follower.has_output:
                call.write()  # now: to find that there is nothing else to say takes a while
            async with aclosing(follower.responses()) as responses:
                async for response in responses:
                    yield response

    async def tell(self) -> None:
        """Calls are recorded or disturbed from now on: return when the clients know."""
        await self._followers.tell()

    def _watched(self) -> bool:
        """Whether a call about a sandbox has to be made by itself."""
        return self._middleware.recording or self._middleware.disturbs(*_ABOUT_IT)

    async def _created(
        self, rpc: str, request: Any, made: ServedCall
    ) -> tuple[Any, Mapping[str, Any]]:
        """The answer to the call that creates it, and its metadata."""
        stood_for = StoodFor(rpc, made, self._middleware)
        create = self._create.get(rpc)
        if create is None:
            handler = handler_of(self._servicer_of(rpc), rpc)
            create = self._create[rpc] = remembering(handler, self._outcomes)
        try:
            await stood_for.request(lambda _: request)
            response = await create(request, stood_for.call)
        except BaseException as error:
            stood_for.fail(error)
            if isinstance(error, Exception):
                raise failure(error, rpc) from None
            raise
        stood_for.respond(response)
        stood_for.end()
        return response, stood_for.call.initial_metadata
