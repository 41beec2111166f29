"""Snapshots on the control plane: of files for older clients, and of running sandboxes."""

from pytest_sandbox._proto import common_pb2, images_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb

from ..model.checks import check_timeout
from ..model.creation import SandboxCreator
from ..model.ids import Family
from ..model.router_access import router_metadata
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..rpc.call import CALLER, ServedCall
from ..rpc.handlers import once
from ..snapshots.files import in_time, snapshot_filesystem
from ..snapshots.memory import failure
from ..snapshots.resume import resume

_Result = common_pb2.GenericResult


class SnapshotServicer:
    """The RPCs that take snapshots of sandboxes, and the one that resumes a memory snapshot."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxSnapshotFs(
        self, request: pb.SandboxSnapshotFsRequest, call: ServedCall
    ) -> pb.SandboxSnapshotFsResponse:
        """Take a snapshot of all files, if it takes at most `timeout` seconds."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        taking = snapshot_filesystem(self._state, sandbox, None)
        image = await in_time(self._state, request.timeout, taking)
        if image is None:
            return pb.SandboxSnapshotFsResponse(result=_late(request.timeout))
        return pb.SandboxSnapshotFsResponse(
            image_id=image.id,
            result=_Result(status=_Result.GENERIC_STATUS_SUCCESS),
            image_metadata=images_pb2.ImageMetadata(image_builder_version=IMAGE_BUILDER_VERSION),
        )

    @once
    async def SandboxSnapshot(
        self, request: pb.SandboxSnapshotRequest, call: ServedCall
    ) -> pb.SandboxSnapshotResponse:
        """Begin to take a snapshot of files and processes."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        return pb.SandboxSnapshotResponse(snapshot_id=self._state.memory_snapshots.take(sandbox).id)

    async def SandboxSnapshotWait(
        self, request: pb.SandboxSnapshotWaitRequest, call: ServedCall
    ) -> pb.SandboxSnapshotWaitResponse:
        """Whether a snapshot was taken or has failed, as soon as that is known."""
        snapshot = self._state.memory_snapshots.get(request.snapshot_id)
        check_timeout(request.timeout)
        if not await self._state.memory_snapshots.is_taken(snapshot, request.timeout):
            return pb.SandboxSnapshotWaitResponse(result=_late(request.timeout))
        reason = failure(snapshot)
        if reason is not None:
            result = _Result(status=_Result.GENERIC_STATUS_FAILURE, exception=reason)
            return pb.SandboxSnapshotWaitResponse(result=result)
        return pb.SandboxSnapshotWaitResponse(result=_Result(status=_Result.GENERIC_STATUS_SUCCESS))

    async def SandboxSnapshotGet(
        self, request: pb.SandboxSnapshotGetRequest, call: ServedCall
    ) -> pb.SandboxSnapshotGetResponse:
        """A snapshot by id."""
        snapshot = self._state.memory_snapshots.get(request.snapshot_id)
        return pb.SandboxSnapshotGetResponse(
            snapshot_id=snapshot.id,
            handle_metadata=pb.SandboxSnapshotHandleMetadata(
                is_v2=snapshot.family is Family.SECOND
            ),
        )

    @once
    async def SandboxRestore(
        self, request: pb.SandboxRestoreRequest, call: ServedCall
    ) -> pb.SandboxRestoreResponse:
        """Create a sandbox that resumes from a snapshot; it runs when this returns."""
        caller = call.header(CALLER)
        sandbox = await resume(self._state, self._creator, request, Family.FIRST, caller)
        call.initial_metadata = router_metadata(self._state, sandbox)
        return pb.SandboxRestoreResponse(sandbox_id=sandbox.id)


def _late(seconds: float) -> _Result:
    return _Result(
        status=_Result.GENERIC_STATUS_TIMEOUT,
        exception=f"the snapshot takes longer than {seconds:g} seconds: give it a longer timeout",
    )
