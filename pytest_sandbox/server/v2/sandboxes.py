"""Sandboxes of the second version of the API: create, and give a name."""

from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as pb

from ..model.creation import SandboxCreator
from ..model.ids import Family
from ..model.router_access import router_token, router_url
from ..model.state import State
from ..model.tags import tags_of
from ..rpc.call import CALLER, ServedCall
from ..rpc.handlers import once
from .sandbox_tokens import check_sandbox_token


class SandboxV2Servicer:
    """The RPCs that create a sandbox, and name it later."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxCreateV2(
        self, request: pb.SandboxCreateV2Request, call: ServedCall
    ) -> pb.SandboxCreateV2Response:
        """Create a sandbox; it runs when this returns.

        Clients ask for the addresses of its tunnels when somebody wants them.
        """
        url = router_url(self._state, call)  # which may be refused: before there is a sandbox
        app = self._state.apps.get(request.app_id)
        definition, tags = request.definition, tags_of(request.tags)
        variables = {
            **request.ephemeral_secrets.contents,
            **self._state.secrets.of_sources(request.secret_sources),
        }
        image, spec = await self._creator.specify(definition, tags, variables)
        sandbox = await self._creator.create(
            *(app, definition, tags, image, spec),
            caller=call.header(CALLER),
            family=Family.SECOND,
        )
        return pb.SandboxCreateV2Response(
            sandbox_id=sandbox.id,
            task_id=sandbox.task_id,
            metadata=sandboxes_pb2.SandboxHandleMetadata(app_id=app.id),
            command_router_access=pb.CommandRouterAccess(
                jwt=router_token(self._state, sandbox), url=url
            ),
            sandbox_token=self._state.tokens.of_sandbox(sandbox.id),
        )

    @once
    async def SandboxSetName(
        self, request: pb.SandboxSetNameRequest, call: ServedCall
    ) -> pb.SandboxSetNameResponse:
        """Give a name to a sandbox that runs and has none; the same name again changes nothing."""
        check_sandbox_token(self._state, request.sandbox_id, call)
        self._creator.set_name(self._state.sandboxes.get(request.sandbox_id), request.name)
        return pb.SandboxSetNameResponse()
