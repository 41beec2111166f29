"""What sandboxes can do here that they cannot do at Modal."""

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import SupportsPrepare

from ..model.creation import owned
from ..model.state import State
from ..rpc.dispatch import Call, once, unnoticed
from ..rpc.errors import invalid, unimplemented
from ..snapshots.files import keep_files


class Extensions:
    """The RPCs of our own that change something."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def SandboxRestoreImage(
        self, request: pb.SandboxRestoreImageRequest, call: Call
    ) -> pb.SandboxRestoreImageResponse:
        """Give a sandbox the files of an image, and start its main process anew."""
        box = self._state.boxes.get(request.sandbox_id)
        image = self._state.images.get(request.image_id)
        if box.spec.gpus is not None:
            raise unimplemented(
                "a sandbox with gpu cannot be restored: create another in its place"
            )
        engine = self._state.engine
        with box.lifetime.activity(), self._state.shelf.pinned(image.kept):
            await finish(box.restore(image, lambda spec: owned(engine.create(spec))))
        return pb.SandboxRestoreImageResponse()

    @once
    async def SandboxSnapshotEnd(
        self, request: pb.SandboxSnapshotEndRequest, call: Call
    ) -> pb.SandboxSnapshotEndResponse:
        """Keep all files of a sandbox for as long as there is room, and end it."""
        box = self._state.boxes.get(request.sandbox_id)
        image = await finish(keep_files(self._state, box, None, end=True))
        return pb.SandboxSnapshotEndResponse(image_id=image.id)

    @unnoticed
    async def SandboxPrepare(
        self, request: pb.SandboxPrepareRequest, call: Call
    ) -> pb.SandboxPrepareResponse:
        """Tell the engine that such a sandbox is likely to be created soon."""
        self._state.apps.get(request.app_id)
        _, spec = self._state.creation.specify(request.definition, {})
        if isinstance(self._state.engine, SupportsPrepare):
            await self._state.engine.prepare(spec)
        return pb.SandboxPrepareResponse()

    async def ImageForget(
        self, request: pb.ImageForgetRequest, call: Call
    ) -> pb.ImageForgetResponse:
        """Let a snapshot go; what was made from it stays."""
        await self._state.images.forget(request.image_id)
        return pb.ImageForgetResponse()

    async def SnapshotForget(
        self, request: pb.SnapshotForgetRequest, call: Call
    ) -> pb.SnapshotForgetResponse:
        """Let a snapshot of files and processes go; what was made from it stays."""
        if not request.snapshot_id.startswith("sn-"):
            raise invalid(f"{request.snapshot_id!r} is not the id of a snapshot")
        await self._state.shelf.forget(request.snapshot_id)
        return pb.SnapshotForgetResponse()
