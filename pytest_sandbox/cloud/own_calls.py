"""The calls that engines of this package have besides Modal's, as far as the cloud can do them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto.images_pb2 import ImageDeleteRequest
from pytest_sandbox._proto.router_pb2 import TaskSnapshotFilesystemRequest
from pytest_sandbox._proto.snapshots_pb2 import SandboxSnapshotFsRequest

from .local_only import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox.server import ServedCall

    from .commanded import CommandedServicer
    from .control import ControlPlane
    from .sandboxes import CloudSandboxes

#: Seconds that a snapshot of files may take.
_TIMEOUT = 300.0


class OwnServicer:
    """The RPCs of our own service: those without a handler here are refused.

    Args:
        control: Modal.
        sandboxes: of this run.
        router: makes calls of the command router.
    """

    def __init__(
        self, control: ControlPlane, sandboxes: CloudSandboxes, router: CommandedServicer
    ) -> None:
        self._control = control
        self._sandboxes = sandboxes
        self._router = router

    def __getattr__(self, rpc: str) -> Callable[..., Any]:
        """The handler that refuses an RPC."""
        if rpc.startswith("_"):
            raise AttributeError(rpc)
        return refusal_of(rpc)

    async def SandboxSnapshotEnd(
        self, request: pb.SandboxSnapshotEndRequest, call: ServedCall
    ) -> pb.SandboxSnapshotEndResponse:
        """Take a snapshot of the files of a sandbox, and end it."""
        sandbox = self._sandboxes.find(request.sandbox_id)
        if sandbox.second:
            call.task_id = sandbox.task_id
            taken = await self._router.TaskSnapshotFilesystem(
                TaskSnapshotFilesystemRequest(
                    task_id=sandbox.task_id, snapshot_id=str(uuid.uuid4())
                ),
                call,
            )
            image_id = taken.image_id
        else:
            first = SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=_TIMEOUT)
            done = await self._control.ask("SandboxSnapshotFs", first, timeout=_TIMEOUT)
            image_id = done.image_id
        if not image_id:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Modal took no snapshot of {sandbox.id}")
        await self._sandboxes.terminate(sandbox)
        return pb.SandboxSnapshotEndResponse(image_id=image_id)

    async def ImageRecall(
        self, request: pb.ImageRecallRequest, call: ServedCall
    ) -> pb.ImageRecallResponse:
        """No image is stored beyond a run."""
        return pb.ImageRecallResponse()

    async def ImageForget(
        self, request: pb.ImageForgetRequest, call: ServedCall
    ) -> pb.ImageForgetResponse:
        """Delete a snapshot of files."""
        await self._control.ask("ImageDelete", ImageDeleteRequest(image_id=request.image_id))
        return pb.ImageForgetResponse()

    async def SnapshotForget(
        self, request: pb.SnapshotForgetRequest, call: ServedCall
    ) -> pb.SnapshotForgetResponse:
        """Modal deletes snapshots with processes after some days."""
        return pb.SnapshotForgetResponse()
