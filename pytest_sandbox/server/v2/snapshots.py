"""Memory snapshots: taken by the command router, resumed by the control plane."""

from weakref import WeakKeyDictionary

from pytest_sandbox._proto import router_pb2, sandboxes_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as pb

from ..model.commanded import commanded
from ..model.creation import SandboxCreator
from ..model.ids import Family
from ..model.router_access import router_token, router_url
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import CALLER, ServedCall
from ..rpc.errors import invalid
from ..rpc.handlers import once
from ..rpc.idempotency import Outcomes
from ..snapshots.resume import resume


class MemorySnapshotV2Servicer:
    """The RPCs that take a snapshot of files and processes, and resume it."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator
        #: One store for each sandbox, so that snapshots of one evict no outcome of another.
        self._outcomes: WeakKeyDictionary[ServedSandbox, Outcomes[str]] = WeakKeyDictionary()

    async def TaskSnapshotMemory(
        self, request: router_pb2.TaskSnapshotMemoryRequest, call: ServedCall
    ) -> router_pb2.TaskSnapshotMemoryResponse:
        """Take a snapshot; the same `idempotency_key` again gives the same one."""
        sandbox = commanded(self._state, request.task_id, call)
        if not request.idempotency_key:
            raise invalid("idempotency_key is empty: choose one, for example a UUID")
        outcomes = self._outcomes.setdefault(sandbox, Outcomes())
        snapshot_id = await outcomes.once(
            call.rpc, request.idempotency_key, lambda: self._take(sandbox)
        )
        return router_pb2.TaskSnapshotMemoryResponse(snapshot_id=snapshot_id)

    async def _take(self, sandbox: ServedSandbox) -> str:
        snapshot = self._state.memory_snapshots.take(sandbox)
        await self._state.memory_snapshots.taken(snapshot)
        return snapshot.id

    @once
    async def SandboxRestoreV2(
        self, request: pb.SandboxRestoreV2Request, call: ServedCall
    ) -> pb.SandboxRestoreV2Response:
        """Create a sandbox that resumes from a snapshot; it runs when this returns."""
        url = router_url(self._state, call)  # which may be refused: before there is a sandbox
        caller = call.header(CALLER)
        sandbox = await resume(self._state, self._creator, request, Family.SECOND, caller)
        return pb.SandboxRestoreV2Response(
            sandbox_id=sandbox.id,
            task_id=sandbox.task_id,
            metadata=sandboxes_pb2.SandboxHandleMetadata(app_id=sandbox.app_id),
            command_router_access=pb.CommandRouterAccess(
                jwt=router_token(self._state, sandbox), url=url
            ),
        )
