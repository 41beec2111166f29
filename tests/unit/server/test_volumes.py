"""Volumes: by name and ephemeral, and what sandboxes mount of them."""

import pytest
from grpclib import Status

from pytest_sandbox._proto import apps_pb2, common_pb2, containers_pb2, router_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox.engine import Capability, VolumeMount

from .engines import GatedEngine
from .harness import Harness, refused, serve

pytestmark = pytest.mark.asyncio

CREATE = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
CREATE_NEW = common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
EPHEMERAL = common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL


class ForgettingEngine(GatedEngine):
    async def forget_volume(self, volume: str) -> None:
        self.forgotten.append(volume)


@pytest.fixture
def engine() -> ForgettingEngine:
    return ForgettingEngine()


async def volume(
    server: Harness,
    name: str = "",
    creation: common_pb2.ObjectCreationType = CREATE,
    environment: str = "",
) -> pb.VolumeGetOrCreateResponse:
    request = pb.VolumeGetOrCreateRequest(
        deployment_name=name, object_creation_type=creation, environment_name=environment
    )
    return await server.control.VolumeGetOrCreate(request)


async def names(server: Harness, **page: float) -> list[str]:
    request = pb.VolumeListRequest(pagination=common_pb2.ListPagination(**page) if page else None)  # type: ignore[arg-type]
    return [item.label for item in (await server.control.VolumeList(request)).items]


def mount(volume_id: str, path: str = "/data", **fields: object) -> common_pb2.VolumeMount:
    return common_pb2.VolumeMount(volume_id=volume_id, mount_path=path, **fields)  # type: ignore[arg-type]


async def test_a_volume_is_made_once_for_a_name(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "Volume 'data' not found"):
        await volume(server, "data", common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED)
    made = await volume(server, "data")
    assert made.volume_id.startswith("vo-")
    assert made.metadata.name == "data"
    assert made.metadata.creation_info.created_at >= 1_000_000_000
    assert await volume(server, "data") == made
    assert await volume(server, "data", common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED) == made
    with refused(Status.ALREADY_EXISTS, "Volume 'data' already exists"):
        await volume(server, "data", CREATE_NEW)
    found = await server.control.VolumeGetById(pb.VolumeGetByIdRequest(volume_id=made.volume_id))
    assert found.metadata == made.metadata


async def test_names_count_in_their_environment(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "Environment 'other' not found"):
        await volume(server, "data", environment="other")
    await server.control.EnvironmentGetOrCreate(
        apps_pb2.EnvironmentGetOrCreateRequest(deployment_name="other", object_creation_type=CREATE)
    )
    first = await volume(server, "data")
    second = await volume(server, "data", environment="other")
    assert first.volume_id != second.volume_id
    assert await names(server) == ["data"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
async def test_what_is_no_name_is_refused(server: Harness, name: str) -> None:
    with refused(Status.INVALID_ARGUMENT, "invalid volume name"):
        await volume(server, name)


async def test_a_creation_that_makes_no_sense_is_refused(server: Harness) -> None:
    overwrite = common_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
    with refused(Status.INVALID_ARGUMENT, "a volume cannot have object_creation_type"):
        await volume(server, "data", overwrite)


async def test_options_of_newer_clients_are_refused_by_name(server: Harness) -> None:
    options = pb.VolumeCreateOptions(experimental_options={"fast": "yes"})
    with refused(Status.UNIMPLEMENTED, "experimental_options"):
        await server.control.VolumeGetOrCreate(
            pb.VolumeGetOrCreateRequest(
                deployment_name="v", object_creation_type=CREATE, create_options=options
            )
        )


async def test_volumes_are_listed_by_page_the_newest_first(server: Harness) -> None:
    for name in ("a", "b", "c"):
        await volume(server, name)
    await volume(server, creation=EPHEMERAL)
    assert await names(server) == ["c", "b", "a"]
    assert await names(server, max_objects=2) == ["c", "b"]
    listed = (await server.control.VolumeList(pb.VolumeListRequest())).items
    assert listed[1].created_at == listed[1].metadata.creation_info.created_at
    assert await names(server, created_before=listed[1].created_at) == ["a"]
    with refused(Status.INVALID_ARGUMENT, "max_objects=-1"):
        await names(server, max_objects=-1)


async def test_a_volume_gets_another_name(server: Harness) -> None:
    made = await volume(server, "old")
    await volume(server, "taken")
    for name, status in (("taken", Status.ALREADY_EXISTS), ("a b", Status.INVALID_ARGUMENT)):
        with refused(status, name):
            await server.control.VolumeRename(
                pb.VolumeRenameRequest(volume_id=made.volume_id, name=name)
            )
    await server.control.VolumeRename(pb.VolumeRenameRequest(volume_id=made.volume_id, name="new"))
    assert (await volume(server, "new")).volume_id == made.volume_id
    assert (await volume(server, "old")).volume_id != made.volume_id


async def test_an_ephemeral_volume_cannot_have_a_name(server: Harness) -> None:
    made = await volume(server, creation=EPHEMERAL)
    with refused(Status.FAILED_PRECONDITION, "ephemeral"):
        await server.control.VolumeRename(
            pb.VolumeRenameRequest(volume_id=made.volume_id, name="x")
        )


async def test_a_deleted_volume_is_gone_and_its_name_free(
    server: Harness, engine: ForgettingEngine
) -> None:
    made = await volume(server, "data")
    request = pb.VolumeDeleteRequest(volume_id=made.volume_id)
    for _ in range(2):  # the answer to the first may have been lost
        await server.control.VolumeDelete(request, metadata={"x-idempotency-key": "k"})
    assert engine.forgotten == [made.volume_id]
    with refused(Status.NOT_FOUND, made.volume_id):
        await server.control.VolumeDelete(request)
    assert (await volume(server, "data")).volume_id != made.volume_id


async def test_an_ephemeral_volume_lives_as_long_as_its_client_says(
    server: Harness, engine: ForgettingEngine
) -> None:
    first = await volume(server, creation=EPHEMERAL)
    second = await volume(server, creation=EPHEMERAL)
    assert first.volume_id != second.volume_id
    beat = pb.VolumeHeartbeatRequest(volume_id=second.volume_id)
    for _ in range(4):
        await server.clock.advance(300)
        await server.control.VolumeHeartbeat(beat)
    with refused(Status.NOT_FOUND, first.volume_id):
        await server.control.VolumeHeartbeat(pb.VolumeHeartbeatRequest(volume_id=first.volume_id))
    await volume(server, "other")
    assert engine.forgotten == [first.volume_id]


async def test_a_volume_with_a_name_needs_no_sign_of_life(server: Harness) -> None:
    made = await volume(server, "data")
    with refused(Status.FAILED_PRECONDITION, "not ephemeral"):
        await server.control.VolumeHeartbeat(pb.VolumeHeartbeatRequest(volume_id=made.volume_id))
    await server.clock.advance(100_000)
    assert await volume(server, "data") == made


async def test_the_engine_is_asked_for_the_volumes_of_a_sandbox(server: Harness) -> None:
    data, cache = await volume(server, "data"), await volume(server, creation=EPHEMERAL)
    sandbox = await server.create(
        volume_mounts=[
            mount(data.volume_id, allow_background_commits=True),
            mount(cache.volume_id, "/cache", read_only=True),
        ]
    )
    assert sandbox.task.spec.volumes == (
        VolumeMount(data.volume_id, "/data"),
        VolumeMount(cache.volume_id, "/cache", read_only=True),
    )


async def test_mounts_that_cannot_be_are_refused(server: Harness) -> None:
    made = await volume(server, "data")
    with refused(Status.NOT_FOUND, "Volume 'vo-1' not found"):
        await server.create(volume_mounts=[mount("vo-1")])
    with refused(Status.INVALID_ARGUMENT, "sub_path: 'a/../..' would not stay below"):
        await server.create(volume_mounts=[mount(made.volume_id, sub_path="a/../..")])


async def test_an_engine_without_volumes_says_so() -> None:
    engine = GatedEngine(capabilities=frozenset(Capability) - {Capability.VOLUME})
    async with serve(engine) as server:
        made = await volume(server, "data")
        with refused(Status.UNIMPLEMENTED, "volumes={'/data': ...}", "'fake' has no volumes"):
            await server.create(volume_mounts=[mount(made.volume_id)])


async def test_commit_and_reload_need_the_volume_only(server: Harness) -> None:
    made = await volume(server, "data")
    commit = await server.control.VolumeCommit(pb.VolumeCommitRequest(volume_id=made.volume_id))
    assert commit.skip_reload
    await server.control.VolumeReload(pb.VolumeReloadRequest(volume_id=made.volume_id))
    with refused(Status.NOT_FOUND, "vo-1"):
        await server.control.VolumeCommit(pb.VolumeCommitRequest(volume_id="vo-1"))
    with refused(Status.NOT_FOUND, "vo-1"):
        await server.control.VolumeReload(pb.VolumeReloadRequest(volume_id="vo-1"))


async def test_reloading_all_volumes_needs_a_running_sandbox(server: Harness) -> None:
    sandbox = await server.create()
    old = containers_pb2.ContainerReloadVolumesRequest(task_id=sandbox.task_id)
    new = router_pb2.TaskReloadVolumesRequest(task_id=sandbox.task_id)
    await server.control.ContainerReloadVolumes(old)
    await server.router.TaskReloadVolumes(new, metadata=sandbox.auth)
    with refused(Status.PERMISSION_DENIED, "ta-1"):
        await server.router.TaskReloadVolumes(
            router_pb2.TaskReloadVolumesRequest(task_id="ta-1"), metadata=sandbox.auth
        )
    with refused(Status.NOT_FOUND, "Sidecar 'x'"):
        await server.router.TaskReloadVolumes(
            router_pb2.TaskReloadVolumesRequest(task_id=sandbox.task_id, container_id="x"),
            metadata=sandbox.auth,
        )
    await server.terminate(sandbox)
    with refused(Status.NOT_FOUND, sandbox.task_id):
        await server.control.ContainerReloadVolumes(old)
    with refused(Status.NOT_FOUND, sandbox.task_id):
        await server.router.TaskReloadVolumes(new, metadata=sandbox.auth)
