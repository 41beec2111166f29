"""Changes of the network of a task, by the command router."""

from pytest_sandbox._proto import router_pb2 as pb

from ..model.commanded import commanded
from ..model.state import State
from ..networks.network import changed_network
from ..rpc.call import ServedCall


class RouterNetworkServicer:
    """The RPC that changes where connections of a task may lead."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def TaskSetNetworkAccess(
        self, request: pb.TaskSetNetworkAccessRequest, call: ServedCall
    ) -> pb.TaskSetNetworkAccessResponse:
        """Allow other connections; those that no longer are have ended then."""
        sandbox = commanded(self._state, request.task_id, call)
        network = changed_network(request.network_access)
        self._state.memberships.check_change(sandbox, network)
        await sandbox.set_network(request.network_access, network)
        return pb.TaskSetNetworkAccessResponse()
