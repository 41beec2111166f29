"""Snapshots and mounts of the command router."""

import posixpath
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import router_pb2 as pb
from pytest_sandbox._shared.checks import is_absolute_path

from ..model.commanded import commanded_container
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.idempotency import Outcomes
from ..snapshots.files import (
    DEFAULT_TTL,
    encrypted_directory,
    mount_stream,
    snapshot_directory,
    snapshot_filesystem,
)

#: A request to take a snapshot.
_SnapshotRequest = pb.TaskSnapshotFilesystemRequest | pb.TaskSnapshotDirectoryRequest
#: A request about a path.
_PathRequest = (
    pb.TaskSnapshotDirectoryRequest | pb.TaskMountDirectoryRequest | pb.TaskUnmountDirectoryRequest
)
#: In `ttl_seconds`: store it for as long as there is room.
_FOREVER = -1


class RouterSnapshotServicer:
    """The RPCs that take snapshots of the files of a task, and mount snapshots of directories."""

    def __init__(self, state: State) -> None:
        self._state = state
        #: One store for each sandbox, so that snapshots of one evict no outcome of another.
        self._outcomes: WeakKeyDictionary[ServedSandbox, Outcomes[str]] = WeakKeyDictionary()
        self._mounts: WeakKeyDictionary[ServedSandbox, _UnansweredMounts] = WeakKeyDictionary()

    async def TaskSnapshotFilesystem(
        self, request: pb.TaskSnapshotFilesystemRequest, call: ServedCall
    ) -> pb.TaskSnapshotFilesystemResponse:
        """Take a snapshot of all files; the same `snapshot_id` again gives the same image."""
        sandbox, ttl = commanded_container(self._state, request, call), _ttl(request)
        if request.customer_supplied_encryption_key:
            raise unimplemented(
                "snapshot_filesystem with an encryption key is not implemented by pytest-sandbox: "
                "no sandbox can be created with a key; use snapshot_directory(..., "
                "_experimental_encryption_key=...)"
            )

        async def take() -> str:
            return (await snapshot_filesystem(self._state, sandbox, ttl)).id

        image_id = await self._once(sandbox, request, call, take)
        return pb.TaskSnapshotFilesystemResponse(image_id=image_id)

    async def TaskSnapshotDirectory(
        self, request: pb.TaskSnapshotDirectoryRequest, call: ServedCall
    ) -> pb.TaskSnapshotDirectoryResponse:
        """Take a snapshot of a directory; the same `snapshot_id` again gives the same image."""
        sandbox = commanded_container(self._state, request, call)
        ttl, path = _ttl(request), _path(request)

        async def take() -> str:
            if not request.HasField("customer_supplied_encryption_key"):
                return (await snapshot_directory(self._state, sandbox, path, ttl)).id
            key = request.customer_supplied_encryption_key
            return await encrypted_directory(self._state, sandbox, path, key, ttl)

        image_id = await self._once(sandbox, request, call, take)
        return pb.TaskSnapshotDirectoryResponse(image_id=image_id)

    async def TaskMountDirectory(
        self, request: pb.TaskMountDirectoryRequest, call: ServedCall
    ) -> Empty:
        """Mount an image at a path, which is made if need be; without an id, an empty directory."""
        sandbox, path = commanded_container(self._state, request, call), _path(request)
        if (encrypted := self._state.encrypted_snapshot(request.image_id)) is not None:
            key = request.customer_supplied_encryption_key
            stream = self._state.encrypted.read(encrypted, key)
            await self._change(
                sandbox, call, path, encrypted.id, lambda: mount_stream(sandbox, path, stream)
            )
            return Empty()
        image = self._state.images.get(request.image_id) if request.image_id else None
        if request.HasField("customer_supplied_encryption_key"):
            raise invalid(f"Image {request.image_id!r} is not encrypted: mount it without a key")
        snapshot_id = image.snapshot_id if image is not None else ""
        with self._state.snapshot_store.pinned(snapshot_id):
            await self._change(
                sandbox, call, path, request.image_id, lambda: sandbox.mount(path, image)
            )
        return Empty()

    async def TaskUnmountDirectory(
        self, request: pb.TaskUnmountDirectoryRequest, call: ServedCall
    ) -> Empty:
        """Undo the latest mount at a path."""
        sandbox, path = commanded_container(self._state, request, call), _path(request)
        await self._change(sandbox, call, path, None, lambda: sandbox.unmount(path))
        return Empty()

    async def _change(
        self,
        sandbox: ServedSandbox,
        call: ServedCall,
        path: str,
        image_id: str | None,
        change: Callable[[], Awaitable[None]],
    ) -> None:
        """Change the mounts of a sandbox, unless a call whose answer was lost has done so."""
        unanswered = self._mounts.setdefault(sandbox, _UnansweredMounts())
        key = sandbox.generation, image_id
        if not unanswered.take(path, key):
            with sandbox.lifetime.activity():
                await change()
        call.on_lost = lambda: unanswered.add(path, key)

    async def _once(
        self,
        sandbox: ServedSandbox,
        request: _SnapshotRequest,
        call: ServedCall,
        take: Callable[[], Awaitable[str]],
    ) -> str:
        if not request.snapshot_id:
            raise invalid("snapshot_id is empty: choose one, for example a UUID")
        outcomes = self._outcomes.setdefault(sandbox, Outcomes())
        return await outcomes.once(call.rpc, request.snapshot_id, take)


class _UnansweredMounts:
    """The latest changes of the mounts of a sandbox whose answers were lost, by path.

    Clients repeat such calls without a key, and a second mount would lie above the first.
    """

    def __init__(self) -> None:
        self._changes: dict[str, object] = {}

    def add(self, path: str, change: object) -> None:
        """Remember one."""
        self._changes[path] = change

    def take(self, path: str, change: object) -> bool:
        """Whether a change repeats the one that is remembered; it is forgotten in any case."""
        return path in self._changes and self._changes.pop(path) == change


def _ttl(request: _SnapshotRequest) -> float | None:
    if not request.HasField("ttl_seconds"):
        return DEFAULT_TTL
    if request.ttl_seconds == _FOREVER:
        return None
    if request.ttl_seconds < 1:
        raise invalid(f"ttl_seconds must be above 0, or -1 for no end, not {request.ttl_seconds}")
    return request.ttl_seconds


def _path(request: _PathRequest) -> str:
    path = request.path.decode(errors="surrogateescape")
    if not is_absolute_path(path):
        raise invalid(f"path must be absolute, not {path!r}")
    return posixpath.normpath(path)
