"""Extensions: sandboxes in networks of sandboxes."""

from dataclasses import replace

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto import sandboxes_pb2, snapshots_pb2

from ..model.creation import SandboxCreator
from ..model.ids import Family
from ..model.router_access import router_metadata
from ..model.state import State
from ..model.tags import tags_of
from ..networks.memberships import membership
from ..rpc.call import CALLER, ServedCall
from ..rpc.handlers import once
from ..snapshots.resume import resume


class SandboxNetworkServicer:
    """The RPCs that create sandboxes in networks of sandboxes."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxCreateInNetwork(
        self, request: pb.SandboxCreateInNetworkRequest, call: ServedCall
    ) -> sandboxes_pb2.SandboxCreateResponse:
        """Create a sandbox; as `SandboxCreate`, besides."""
        create = request.create
        app = self._state.apps.get(create.app_id)
        definition, tags = create.definition, tags_of(create.tags)
        member = membership(request.membership, definition, self._state.info)
        image, spec = await self._creator.specify(definition, tags)
        spec = replace(spec, membership=member)
        sandbox = await self._creator.create(
            app, definition, tags, image, spec, caller=call.header(CALLER)
        )
        self._creator.prepare_another(sandbox, call)
        call.initial_metadata = router_metadata(self._state, sandbox)
        return sandboxes_pb2.SandboxCreateResponse(
            sandbox_id=sandbox.id, metadata=sandboxes_pb2.SandboxHandleMetadata(app_id=app.id)
        )

    @once
    async def SandboxRestoreInNetwork(
        self, request: pb.SandboxRestoreInNetworkRequest, call: ServedCall
    ) -> snapshots_pb2.SandboxRestoreResponse:
        """Create a sandbox from a memory snapshot; as `SandboxRestore`, besides."""
        wanted = request.restore
        definition = self._state.memory_snapshots.get(wanted.snapshot_id).definition
        member = membership(request.membership, definition, self._state.info)
        caller = call.header(CALLER)
        sandbox = await resume(self._state, self._creator, wanted, Family.FIRST, caller, member)
        call.initial_metadata = router_metadata(self._state, sandbox)
        return snapshots_pb2.SandboxRestoreResponse(sandbox_id=sandbox.id)
