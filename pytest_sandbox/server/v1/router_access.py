"""How a client reaches the command router of a task."""

from pytest_sandbox._proto import containers_pb2 as pb

from ..model.router_access import router_token, router_url
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import not_found


class RouterAccessServicer:
    """The RPC of the control plane that gives a client an address it accepts."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def TaskGetCommandRouterAccess(
        self, request: pb.TaskGetCommandRouterAccessRequest, call: ServedCall
    ) -> pb.TaskGetCommandRouterAccessResponse:
        """A token for the task, and the address of the router for this client."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        if sandbox.result is not None:
            raise not_found("running task", request.task_id, sandbox.why_ended)
        return pb.TaskGetCommandRouterAccessResponse(
            jwt=router_token(self._state, sandbox), url=router_url(self._state, call)
        )
