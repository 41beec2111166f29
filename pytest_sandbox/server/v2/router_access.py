"""How a client reaches the command router of a sandbox, also of one that has ended."""

from pytest_sandbox._proto import sandboxes_v2_pb2 as pb

from ..model.router_access import router_token, router_url
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid
from .sandbox_tokens import check_sandbox_token


class RouterAccessV2Servicer:
    """The RPC that gives a client an address that it accepts.

    The output of the main process is read there after its end, so a sandbox that has ended has
    one too; it refuses all else.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def SandboxGetCommandRouterAccess(
        self, request: pb.SandboxGetCommandRouterAccessRequest, call: ServedCall
    ) -> pb.SandboxGetCommandRouterAccessResponse:
        """A token for the task of a sandbox, and the address of the router for this client."""
        target = request.WhichOneof("target")
        if target == "sandbox_id":
            sandbox = self._state.sandboxes.get(request.sandbox_id)
        elif target == "task_id":
            sandbox = self._state.sandboxes.of_task(request.task_id)
        else:
            raise invalid("the request names neither a sandbox_id nor a task_id")
        check_sandbox_token(self._state, sandbox.id, call)
        return pb.SandboxGetCommandRouterAccessResponse(
            jwt=router_token(self._state, sandbox), url=router_url(self._state, call)
        )
