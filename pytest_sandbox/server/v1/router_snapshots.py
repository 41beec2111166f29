"""The part of the command router that keeps files of a task, and shows kept ones."""

import posixpath
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import router_pb2 as pb

from ..model.images import Image
from ..model.sandbox import Box
from ..model.state import State
from ..rpc.dispatch import Call
from ..rpc.errors import invalid, unimplemented
from ..rpc.idempotency import Outcomes
from ..snapshots.files import DEFAULT_TTL, keep_directory, keep_files
from .router import commanded

#: A request that keeps something.
_Keeping = pb.TaskSnapshotFilesystemRequest | pb.TaskSnapshotDirectoryRequest
#: A request about a path.
_Placed = (
    pb.TaskSnapshotDirectoryRequest | pb.TaskMountDirectoryRequest | pb.TaskUnmountDirectoryRequest
)
#: What stands for no end in `ttl_seconds`.
_FOREVER = -1


class RouterSnapshots:
    """Snapshots and mounts of the command router."""

    def __init__(self, state: State) -> None:
        self._state = state
        #: One store for each sandbox, so that snapshots of one evict no outcome of another.
        self._outcomes: WeakKeyDictionary[Box, Outcomes[Image]] = WeakKeyDictionary()

    async def TaskSnapshotFilesystem(
        self, request: pb.TaskSnapshotFilesystemRequest, call: Call
    ) -> pb.TaskSnapshotFilesystemResponse:
        """Keep all files; the same `snapshot_id` again gives the same image."""
        box, ttl = self._box(request, call), _ttl(request)
        image = await self._once(box, request, call, lambda: keep_files(self._state, box, ttl))
        return pb.TaskSnapshotFilesystemResponse(image_id=image.id)

    async def TaskSnapshotDirectory(
        self, request: pb.TaskSnapshotDirectoryRequest, call: Call
    ) -> pb.TaskSnapshotDirectoryResponse:
        """Keep a directory; the same `snapshot_id` again gives the same image."""
        box, ttl, path = self._box(request, call), _ttl(request), _path(request)
        image = await self._once(
            box, request, call, lambda: keep_directory(self._state, box, path, ttl)
        )
        return pb.TaskSnapshotDirectoryResponse(image_id=image.id)

    async def TaskMountDirectory(self, request: pb.TaskMountDirectoryRequest, call: Call) -> Empty:
        """Show an image at a path, which is made if need be; an empty one if it has no id."""
        box, path = self._box(request, call), _path(request)
        image = self._state.images.get(request.image_id) if request.image_id else None
        kept = image.kept if image is not None else ""
        with box.lifetime.activity(), self._state.shelf.pinned(kept):
            await box.mount(path, image)
        return Empty()

    async def TaskUnmountDirectory(
        self, request: pb.TaskUnmountDirectoryRequest, call: Call
    ) -> Empty:
        """Undo the latest mount at a path."""
        box, path = self._box(request, call), _path(request)
        with box.lifetime.activity():
            await box.unmount(path)
        return Empty()

    def _box(self, request: _Keeping | _Placed, call: Call) -> Box:
        box = commanded(self._state, request.task_id, call)
        if request.container_id:
            raise unimplemented("sidecars (container_id) are not implemented by pytest-sandbox")
        if getattr(request, "customer_supplied_encryption_key", b""):
            raise unimplemented(
                "customer_supplied_encryption_key is not implemented by pytest-sandbox: what is "
                "kept stays on this machine"
            )
        return box

    async def _once(
        self, box: Box, request: _Keeping, call: Call, keep: Callable[[], Awaitable[Image]]
    ) -> Image:
        if not request.snapshot_id:
            raise invalid("snapshot_id is empty: choose one, for example a UUID")
        outcomes = self._outcomes.setdefault(box, Outcomes())
        return await outcomes.once(call.rpc, request.snapshot_id, keep)


def _ttl(request: _Keeping) -> float | None:
    if not request.HasField("ttl_seconds"):
        return DEFAULT_TTL
    if request.ttl_seconds == _FOREVER:
        return None
    if request.ttl_seconds < 1:
        raise invalid(f"ttl_seconds must be above 0, or -1 for no end, not {request.ttl_seconds}")
    return request.ttl_seconds


def _path(request: _Placed) -> str:
    path = request.path.decode(errors="surrogateescape")
    if not path.startswith("/") or "\0" in path:
        raise invalid(f"path must be absolute, not {path!r}")
    return posixpath.normpath(path)
