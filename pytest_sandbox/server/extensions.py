"""What sandboxes can do here that they cannot do at Modal."""

from pytest_sandbox._proto import extensions_pb2 as pb

from ._creation import owned
from ._errors import invalid
from ._rpc import Call, once
from ._snapshots import keep_files
from ._state import State
from ._waiting import settled


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
        if image.directory:
            raise invalid(f"Image {image.id!r} is one of a directory: it can only be mounted")
        engine = self._state.engine
        with box.lifetime.activity(), self._state.shelf.pinned(image.kept):
            await settled(box.restore(image, lambda spec: owned(engine.create(spec))))
        return pb.SandboxRestoreImageResponse()

    @once
    async def SandboxSnapshotEnd(
        self, request: pb.SandboxSnapshotEndRequest, call: Call
    ) -> pb.SandboxSnapshotEndResponse:
        """Keep all files of a sandbox for as long as there is room, and end it."""
        box = self._state.boxes.get(request.sandbox_id)
        image = await settled(keep_files(self._state, box, None, end=True))
        return pb.SandboxSnapshotEndResponse(image_id=image.id)

    async def ImageForget(
        self, request: pb.ImageForgetRequest, call: Call
    ) -> pb.ImageForgetResponse:
        """Let a snapshot go; what was made from it stays."""
        await self._state.images.forget(request.image_id)
        return pb.ImageForgetResponse()
