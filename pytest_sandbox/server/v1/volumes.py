"""Volumes: find or create by name, list, rename, delete.

All sandboxes with a volume see every write at once, unless the server has private copies for them:
then `private_copies` commits and reloads.
"""

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import common_pb2, containers_pb2, router_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import SupportsVolumes

from ..model.commanded import commanded_container
from ..model.ids import check_name
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..model.volumes import VolumeRecord
from ..rpc.call import ServedCall
from ..rpc.errors import already_exists, invalid, not_found, precondition, unimplemented
from ..rpc.handlers import once
from ..volumes.private_copies import committed

_LOOKUP = common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
_CREATE_IF_MISSING = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
_CREATE_FAIL_IF_EXISTS = common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
_EPHEMERAL = common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL

#: The most volumes in one page of a listing, unless the client gives a number.
PAGE = 100


class VolumeServicer:
    """The volume RPCs, of the control plane and of the command router."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._volumes = state.volumes
        self._named = state.named_volumes

    @once
    async def VolumeGetOrCreate(
        self, request: pb.VolumeGetOrCreateRequest, call: ServedCall
    ) -> pb.VolumeGetOrCreateResponse:
        """A volume by name, or an ephemeral one, which needs heartbeats of its client."""
        await self._forget_expired()
        if request.create_options.experimental_options:
            raise unimplemented(
                "experimental_options of a Volume are not implemented by pytest-sandbox: make it "
                "without them"
            )
        if request.object_creation_type == _EPHEMERAL:
            environment = self._state.apps.environment(request.environment_name)
            volume = self._volumes.add("", environment, request.version)
        else:
            async with self._named.lock:
                volume = await self._by_name(request)
        return pb.VolumeGetOrCreateResponse(
            volume_id=volume.id, version=volume.version, metadata=volume.metadata()
        )

    async def _by_name(self, request: pb.VolumeGetOrCreateRequest) -> VolumeRecord:
        name, creation = request.deployment_name, request.object_creation_type
        if creation not in (_LOOKUP, _CREATE_IF_MISSING, _CREATE_FAIL_IF_EXISTS):
            raise invalid(f"a volume cannot have object_creation_type {creation}")
        environment = self._state.apps.environment(request.environment_name)
        volume = await self._named.find(environment, name)
        if volume is None:
            if creation == _LOOKUP:
                raise not_found("Volume", name, "create_if_missing=True makes it")
            check_name(name, "volume")
            volume = await self._named.make(environment, name, request.version)
        elif creation == _CREATE_FAIL_IF_EXISTS:
            raise already_exists(f"Volume {name!r} already exists")
        return volume

    async def VolumeGetById(
        self, request: pb.VolumeGetByIdRequest, call: ServedCall
    ) -> pb.VolumeGetByIdResponse:
        """A volume by id."""
        volume = self._volumes.get(request.volume_id)
        return pb.VolumeGetByIdResponse(volume_id=volume.id, metadata=volume.metadata())

    async def VolumeHeartbeat(self, request: pb.VolumeHeartbeatRequest, call: ServedCall) -> Empty:
        """Register a heartbeat for an ephemeral volume."""
        volume = self._volumes.get(request.volume_id)
        if volume.name:
            raise precondition(f"Volume {volume.name!r} is not ephemeral: it needs no heartbeat")
        self._volumes.beat(volume)
        return Empty()

    async def VolumeList(
        self, request: pb.VolumeListRequest, call: ServedCall
    ) -> pb.VolumeListResponse:
        """A page of the volumes with a name, the newest first."""
        environment = self._state.apps.environment(request.environment_name)
        page = request.pagination
        if page.max_objects < 0:
            raise invalid(f"max_objects={page.max_objects} is negative")
        chosen = [
            volume
            for volume in await self._named.listed(environment)
            if not page.created_before or volume.created_at < page.created_before
        ]
        items = [_item(volume) for volume in chosen[: page.max_objects or PAGE]]
        return pb.VolumeListResponse(items=items, environment_name=environment)

    async def VolumeRename(self, request: pb.VolumeRenameRequest, call: ServedCall) -> Empty:
        """Give a volume another name."""
        volume = await self._named.use(request.volume_id)
        if not volume.name:
            raise precondition(f"Volume {volume.id!r} is ephemeral: it cannot have a name")
        check_name(request.name, "volume")
        other = self._volumes.named(volume.environment, request.name)
        if other not in (None, volume):
            raise already_exists(f"Volume {request.name!r} already exists")
        if other is None:
            await self._named.move(volume, volume.environment, request.name)
        return Empty()

    @once
    async def VolumeDelete(self, request: pb.VolumeDeleteRequest, call: ServedCall) -> Empty:
        """Delete a volume; sandboxes that have it mounted keep it until they end."""
        await forget_volume(self._state, await self._named.use(request.volume_id))
        return Empty()

    async def VolumeCommit(
        self, request: pb.VolumeCommitRequest, call: ServedCall
    ) -> pb.VolumeCommitResponse:
        """Save a volume that outlives the run, with what sandboxes have in copies of their own."""
        volume = await self._named.use(request.volume_id)
        if self._state.private_copies is not None:
            # Half a commit would be seen by all, whether or not the caller waits for the rest.
            await finish(self._state.private_copies.commit(volume.id))
        if self._state.lasting_volumes is not None:
            await self._state.lasting_volumes.save(volume.id)
        return pb.VolumeCommitResponse(skip_reload=True)

    async def VolumeReload(self, request: pb.VolumeReloadRequest, call: ServedCall) -> Empty:
        """Do nothing: this is not about a sandbox."""
        self._volumes.get(request.volume_id)
        return Empty()

    async def ContainerReloadVolumes(
        self, request: containers_pb2.ContainerReloadVolumesRequest, call: ServedCall
    ) -> containers_pb2.ContainerReloadVolumesResponse:
        """Show a sandbox what others have committed, if it has copies of its volumes."""
        sandbox = self._state.sandboxes.of_task(request.task_id)
        if sandbox.result is not None:
            raise not_found("running task", request.task_id, sandbox.why_ended)
        await self._reload(sandbox)
        return containers_pb2.ContainerReloadVolumesResponse()

    async def TaskReloadVolumes(
        self, request: router_pb2.TaskReloadVolumesRequest, call: ServedCall
    ) -> router_pb2.TaskReloadVolumesResponse:
        """The same, for newer clients."""
        sandbox = commanded_container(self._state, request, call)
        if sandbox.result is not None:
            raise not_found("running task", request.task_id, sandbox.why_ended)
        await self._reload(sandbox)
        return router_pb2.TaskReloadVolumesResponse()

    async def _reload(self, sandbox: ServedSandbox) -> None:
        if self._state.private_copies is not None:
            names = [mount.volume for mount in sandbox.spec.volumes]
            await finish(self._state.private_copies.reload(names))

    async def _forget_expired(self) -> None:
        for volume in self._volumes.expired():
            await forget_volume(self._state, volume)


async def forget_volume(state: State, volume: VolumeRecord) -> None:
    """Delete a volume, which is ready for use, and its files."""
    state.volumes.remove(volume)
    if state.lasting_volumes is not None:
        await state.lasting_volumes.remove(volume.id)
    async with committed(state.private_copies, volume.id):
        if state.private_copies is not None:
            state.private_copies.drop(volume.id)
        state.volume_workers.end(volume.id)
        if isinstance(state.engine, SupportsVolumes):
            await state.engine.forget_volume(volume.id)


def _item(volume: VolumeRecord) -> pb.VolumeListItem:
    return pb.VolumeListItem(
        label=volume.name,
        volume_id=volume.id,
        created_at=volume.created_at,
        metadata=volume.metadata(),
    )
