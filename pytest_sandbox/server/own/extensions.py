"""Extensions: what sandboxes can do here and cannot at Modal."""

from dataclasses import replace

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import SupportsReplacement, Task, TaskSpec

from ..model.creation import SandboxCreator, owned
from ..model.state import State
from ..networks.memberships import membership
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once, unrecorded
from ..snapshots.at_exit import forget_exit_snapshot
from ..snapshots.files import snapshot_filesystem
from .used import used


class ExtensionServicer:
    """The RPCs that Modal does not have, except those of the inspector and of stored images."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxRestoreImage(
        self, request: pb.SandboxRestoreImageRequest, call: ServedCall
    ) -> pb.SandboxRestoreImageResponse:
        """Replace the files of a sandbox by those of an image, and start its main process again."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        image = self._state.images.get(request.image_id)
        if sandbox.spec.gpus is not None:
            raise unimplemented(
                "a sandbox with gpu cannot be restored: create another in its place"
            )
        engine = self._state.engine

        async def create(spec: TaskSpec) -> Task:
            task = sandbox.task
            if isinstance(task, SupportsReplacement):
                return await owned(task.create_replacement(spec))
            return await owned(engine.create(spec))

        with sandbox.lifetime.activity(), self._state.snapshot_store.pinned(image.snapshot_id):
            former = await finish(sandbox.restore(image, create))
            if sandbox.spec.exit_snapshot:
                await finish(forget_exit_snapshot(self._state, former))
        return pb.SandboxRestoreImageResponse()

    async def SandboxUsage(
        self, request: pb.SandboxUsageRequest, call: ServedCall
    ) -> pb.SandboxUsageResponse:
        """What a sandbox used so far, or until it ended."""
        return used(await self._state.sandboxes.get(request.sandbox_id).usage())

    @once
    async def SandboxSnapshotEnd(
        self, request: pb.SandboxSnapshotEndRequest, call: ServedCall
    ) -> pb.SandboxSnapshotEndResponse:
        """Take a snapshot of all files of a sandbox, and end it."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        images = self._state.images
        image = await finish(
            snapshot_filesystem(self._state, sandbox, None, end=True),
            lambda image: images.forget(image.id),  # whose id no client has
        )
        return pb.SandboxSnapshotEndResponse(image_id=image.id)

    @unrecorded
    async def SandboxPrepare(
        self, request: pb.SandboxPrepareRequest, call: ServedCall
    ) -> pb.SandboxPrepareResponse:
        """Tell the engine that such a sandbox is likely to be created soon."""
        self._state.apps.get(request.app_id)
        _, spec = await self._creator.specify(request.definition, {})
        if request.HasField("membership"):
            info = self._state.info
            member = membership(request.membership, request.definition, info)
            spec = replace(spec, membership=member)
        await self._creator.prepare(spec)
        return pb.SandboxPrepareResponse()

    async def ImageForget(
        self, request: pb.ImageForgetRequest, call: ServedCall
    ) -> pb.ImageForgetResponse:
        """Delete a snapshot of files; sandboxes that were created from it stay."""
        await self._state.images.forget(request.image_id)
        return pb.ImageForgetResponse()

    async def SnapshotForget(
        self, request: pb.SnapshotForgetRequest, call: ServedCall
    ) -> pb.SnapshotForgetResponse:
        """Delete a snapshot of files and processes; sandboxes resumed from it stay."""
        if not request.snapshot_id.startswith("sn-"):
            raise invalid(f"{request.snapshot_id!r} is not the id of a snapshot")
        await self._state.snapshot_store.forget(request.snapshot_id)
        return pb.SnapshotForgetResponse()

    async def ExecKill(self, request: pb.ExecKillRequest, call: ServedCall) -> pb.ExecKillResponse:
        """Kill a command whose caller has given up; does nothing if it has ended."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        await sandbox.commands.get(request.exec_id).kill()
        return pb.ExecKillResponse()
