"""Images of the files of sandboxes: made, found, used, expired, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox import Faults
from pytest_sandbox._proto import common_pb2, extensions_pb2, images_pb2, router_pb2, snapshots_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox._shared.clock import SystemClock
from pytest_sandbox.engine import Snapshot
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.model.images import ImageRecord
from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.server.snapshots.files import in_time

from .engines import GatedEngine
from .harness import Created, Harness, refused, serve

SUCCESS = common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest_asyncio.fixture
async def server(engine: GatedEngine) -> AsyncIterator[Harness]:
    async with serve(engine) as harness:
        yield harness


def write(sandbox: Created, path: str, text: str) -> None:
    sandbox.task.view.write(path, text)


def content(sandbox: Created, path: str) -> str | None:
    view = sandbox.task.view
    return view.read_text(path) if view.exists(path) else None


async def snapshot_fs(server: Harness, sandbox: Created, timeout: float = 55) -> Any:
    request = snapshots_pb2.SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=timeout)
    return await server.control.SandboxSnapshotFs(request)


async def files_image(
    server: Harness, sandbox: Created, snapshot_id: str = "s", **fields: Any
) -> str:
    request = router_pb2.TaskSnapshotFilesystemRequest(
        task_id=sandbox.task_id, snapshot_id=snapshot_id, **fields
    )
    response = await server.router.TaskSnapshotFilesystem(request, metadata=sandbox.auth)
    return response.image_id


async def forget(server: Harness, image_id: str) -> None:
    request = extensions_pb2.ImageForgetRequest(image_id=image_id)
    await ExtensionsStub(server.channel).ImageForget(request)


async def snapshot_and_end(server: Harness, sandbox: Created) -> str:
    request = extensions_pb2.SandboxSnapshotEndRequest(sandbox_id=sandbox.id)
    return (await ExtensionsStub(server.channel).SandboxSnapshotEnd(request)).image_id


@pytest.mark.asyncio
async def test_a_snapshot_whose_client_is_gone_is_forgotten(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    engine.gate.clear()
    call = asyncio.ensure_future(snapshot_and_end(server, sandbox))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settle()
    engine.gate.set()
    await settle()
    assert (await server.wait(sandbox)).status  # it has ended all the same
    assert len(engine.forgotten) == 1


async def mount(server: Harness, sandbox: Created, path: bytes, image_id: str = "") -> None:
    request = router_pb2.TaskMountDirectoryRequest(
        task_id=sandbox.task_id, path=path, image_id=image_id
    )
    await server.router.TaskMountDirectory(request, metadata=sandbox.auth)


async def unmount(server: Harness, sandbox: Created, path: bytes) -> None:
    request = router_pb2.TaskUnmountDirectoryRequest(task_id=sandbox.task_id, path=path)
    await server.router.TaskUnmountDirectory(request, metadata=sandbox.auth)


async def directory(server: Harness, sandbox: Created, path: bytes, **fields: Any) -> str:
    request = router_pb2.TaskSnapshotDirectoryRequest(
        task_id=sandbox.task_id, path=path, **{"snapshot_id": "d", **fields}
    )
    response = await server.router.TaskSnapshotDirectory(request, metadata=sandbox.auth)
    return response.image_id


# All files


@pytest.mark.asyncio
async def test_older_clients_take_images_through_the_control_plane(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/a", "kept")
    response = await snapshot_fs(server, sandbox)
    write(sandbox, "/tmp/a", "later")

    assert response.result.status == SUCCESS
    assert response.image_metadata.image_builder_version
    copy = await server.create(image_id=response.image_id)
    assert content(copy, "/tmp/a") == "kept"


@pytest.mark.asyncio
async def test_newer_clients_take_images_through_the_router_once_per_snapshot_id(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    first, second = await asyncio.gather(files_image(server, sandbox), files_image(server, sandbox))

    assert first == second != await files_image(server, sandbox, "another")
    assert len(engine.snapshots) == 2
    other = await server.create()
    assert await files_image(server, other) != first


@pytest.mark.asyncio
async def test_an_image_takes_over_what_the_one_below_says(server: Harness) -> None:
    lines = ["FROM debian", "ENV A=b", "WORKDIR /srv", 'ENTRYPOINT ["hang"]', 'CMD ["hi"]']
    request = images_pb2.ImageGetOrCreateRequest(image=images_pb2.Image(dockerfile_commands=lines))
    below = (await server.control.ImageGetOrCreate(request)).image_id
    image_id = await files_image(server, await server.create("x", image_id=below))

    copy = await server.create(image_id=image_id)

    spec = copy.task.spec
    assert spec.main is not None
    assert (spec.main.argv, dict(spec.env), spec.workdir) == (("hang", "hi"), {"A": "b"}, "/srv")


@pytest.mark.asyncio
async def test_an_image_can_be_described_on_top_of_a_snapshot(
    server: Harness, engine: GatedEngine
) -> None:
    image_id = await files_image(server, await server.create())
    image = images_pb2.Image(
        base_images=[images_pb2.BaseImage(docker_tag="base", image_id=image_id)],
        dockerfile_commands=["FROM base", "ENV A=b"],
    )
    request = images_pb2.ImageGetOrCreateRequest(image=image)
    described = (await server.control.ImageGetOrCreate(request)).image_id
    copy = await server.create(image_id=described)
    assert (copy.task.spec.image, dict(copy.task.spec.env)) == (Snapshot("image-1"), {"A": "b"})

    await forget(server, image_id)

    with refused(Status.NOT_FOUND, described):
        await server.create(image_id=described)


@pytest.mark.asyncio
async def test_clients_of_modal_delete_a_snapshot(server: Harness) -> None:
    delete = images_pb2.ImageDeleteRequest(
        image_id=await files_image(server, await server.create())
    )
    for _ in range(2):  # the answer to the first may have been lost
        await server.control.ImageDelete(delete, metadata={"x-idempotency-key": "k"})

    with refused(Status.NOT_FOUND, delete.image_id, "forgotten"):
        await server.create(image_id=delete.image_id)
    with refused(Status.NOT_FOUND, delete.image_id):
        await server.control.ImageDelete(delete)
    delete.image_id = await server.image_id()
    with refused(Status.INVALID_ARGUMENT, "not a snapshot"):
        await server.control.ImageDelete(delete)


@pytest.mark.asyncio
async def test_a_snapshot_is_known_by_its_id(server: Harness) -> None:
    image_id = await files_image(server, await server.create())
    response = await server.control.ImageFromId(images_pb2.ImageFromIdRequest(image_id=image_id))
    assert response.image_id == image_id


@pytest.mark.asyncio
async def test_a_snapshot_that_takes_too_long_is_told_of_and_forgotten_when_it_comes(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    engine.gate.clear()
    asking = asyncio.ensure_future(snapshot_fs(server, sandbox, 5))
    await server.clock.advance(6)
    response = await asking
    assert (response.result.status, response.image_id) == (TIMEOUT, "")
    assert "longer than 5 seconds" in response.result.exception

    engine.gate.set()
    await settle()
    assert (engine.forgotten, engine.snapshots.names) == (["image-1"], [])


@pytest.mark.asyncio
async def test_two_snapshots_at_once_are_taken_one_after_another(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    engine.gate.clear()
    first = asyncio.ensure_future(files_image(server, sandbox, "1"))
    await settle()
    second = asyncio.ensure_future(files_image(server, sandbox, "2"))
    await settle()
    write(sandbox, "/tmp/a", "before both")
    engine.gate.set()

    assert await first != await second
    assert engine.snapshots.names == ["image-1", "image-2"]


@pytest.mark.asyncio
async def test_a_sandbox_is_not_idle_during_a_snapshot(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create(idle_timeout_secs=5)
    engine.gate.clear()
    asking = asyncio.ensure_future(files_image(server, sandbox))
    await server.clock.advance(20)
    engine.gate.set()
    await asking
    assert (await server.wait(sandbox)).status == 0


@pytest.mark.asyncio
async def test_an_ended_sandbox_has_no_files_to_snapshot(server: Harness) -> None:
    sandbox = await server.create()
    await directory(server, sandbox, b"/tmp")
    await server.terminate(sandbox)
    with refused(Status.NOT_FOUND, "has ended", sandbox.id):
        await snapshot_fs(server, sandbox)
    with refused(Status.NOT_FOUND, "has ended", sandbox.id):
        await files_image(server, sandbox)
    with refused(Status.NOT_FOUND, "has ended", sandbox.id):
        await directory(server, sandbox, b"/tmp", snapshot_id="other")
    with refused(Status.NOT_FOUND, "has ended", sandbox.id):
        await snapshot_and_end(server, sandbox)


@pytest.mark.asyncio
async def test_a_sandbox_that_ends_while_it_is_kept_says_so(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create()
    engine.gate.clear()
    asking = asyncio.ensure_future(files_image(server, sandbox))
    await settle()
    await server.terminate(sandbox)
    engine.gate.set()
    with refused(Status.NOT_FOUND):
        await asking


@pytest.mark.asyncio
async def test_a_snapshot_may_end_its_sandbox(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/a", "kept")
    exec_id = await server.exec(sandbox, "hang")

    image_id = await snapshot_and_end(server, sandbox)

    result = await server.wait(sandbox)
    assert result.status == common_pb2.GenericResult.GENERIC_STATUS_TERMINATED
    assert (await server.code(sandbox, exec_id)).signal == 9
    assert content(await server.create(image_id=image_id), "/tmp/a") == "kept"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"snapshot_id": ""}, Status.INVALID_ARGUMENT, "snapshot_id"),
        ({"ttl_seconds": 0}, Status.INVALID_ARGUMENT, "ttl_seconds"),
        ({"ttl_seconds": -2}, Status.INVALID_ARGUMENT, "ttl_seconds"),
        ({"container_id": "c"}, Status.NOT_FOUND, "Sidecar 'c'"),
        ({"customer_supplied_encryption_key": b"k"}, None, "16 to 512"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(
    server: Harness, fields: Any, status: Status | None, word: str
) -> None:
    sandbox = await server.create()
    if status is None:
        with refused(Status.UNIMPLEMENTED, "encryption key"):
            await files_image(server, sandbox, **fields)
        with refused(Status.INVALID_ARGUMENT, word):
            await directory(server, sandbox, b"/tmp", **fields)
        return
    with refused(status, word):
        await files_image(server, sandbox, **{"snapshot_id": "s", **fields})
    with refused(status, word):
        await directory(server, sandbox, b"/tmp", **fields)


@pytest.mark.asyncio
async def test_our_own_calls_are_not_served_over_tcp(engine: GatedEngine) -> None:
    async with serve(engine, ListenerConfig("tcp")) as server:
        with refused(Status.UNIMPLEMENTED, "ImageForget"):
            await forget(server, "im-1")


# How long they are stored


@pytest.mark.asyncio
async def test_an_image_is_kept_for_its_time_to_live(server: Harness, engine: GatedEngine) -> None:
    sandbox = await server.create(timeout_secs=10**9)
    short = await files_image(server, sandbox, "1", ttl_seconds=10)
    usual = await files_image(server, sandbox, "2")
    for_ever = await files_image(server, sandbox, "3", ttl_seconds=-1)
    copy = await server.create(image_id=short, timeout_secs=10**9)

    await server.clock.advance(11)
    with refused(Status.NOT_FOUND, short, "time to live"):
        await server.create(image_id=short)
    await server.create(image_id=usual)
    await server.clock.advance(30 * 24 * 3600)
    with refused(Status.NOT_FOUND, usual, "time to live"):
        await server.create(image_id=usual)
    await server.create(image_id=for_ever)

    await settle()
    assert engine.forgotten == ["image-1", "image-2"]
    assert (await server.wait(copy)).status == 0


@pytest.mark.asyncio
async def test_a_forgotten_image_is_gone_and_its_sandboxes_stay(
    server: Harness, engine: GatedEngine
) -> None:
    image_id = await files_image(server, await server.create())
    copy = await server.create(image_id=image_id)
    await forget(server, image_id)
    await forget(server, image_id)

    with refused(Status.NOT_FOUND, image_id, "forgotten"):
        await server.create(image_id=image_id)
    assert engine.forgotten == ["image-1"]
    assert (await server.wait(copy)).status == 0
    again = await files_image(server, copy)
    assert await server.create(image_id=again)


@pytest.mark.asyncio
async def test_only_snapshots_can_be_forgotten(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "not a snapshot"):
        await forget(server, await server.image_id())


@pytest.mark.asyncio
async def test_without_room_the_least_recently_used_image_goes_first(
    server: Harness, engine: GatedEngine
) -> None:
    engine.snapshots.room = 3
    sandbox = await server.create()
    oldest, older, newer = [await files_image(server, sandbox, name) for name in "123"]
    used = await server.create(image_id=oldest)
    await server.terminate(used)

    await files_image(server, sandbox, "4")

    assert engine.forgotten == ["image-2"]
    with refused(Status.NOT_FOUND, older, "needed its room"):
        await server.create(image_id=older)
    await server.create(image_id=oldest)
    await server.create(image_id=newer)


@pytest.mark.asyncio
async def test_without_room_what_is_in_use_stays(server: Harness, engine: GatedEngine) -> None:
    engine.snapshots.room = 3
    sandbox = await server.create()
    running = await files_image(server, sandbox, "1")
    shown = await directory(server, sandbox, b"/tmp")
    copy = await server.create(image_id=running)
    await mount(server, copy, b"/tmp", shown)
    on_top = await files_image(server, copy)

    with refused(Status.RESOURCE_EXHAUSTED, "room for 3", "3 snapshots", "in use"):
        other = await server.create(image_id=on_top)
        await files_image(server, other)

    assert engine.forgotten == []
    await server.terminate(other)
    await files_image(server, sandbox, "2")
    assert engine.forgotten == ["image-3"]


@pytest.mark.asyncio
async def test_what_would_give_no_room_stays(server: Harness, engine: GatedEngine) -> None:
    engine.snapshots.room, engine.shared = 2, {"image-1"}
    sandbox = await server.create()
    await files_image(server, sandbox, "1")
    await files_image(server, sandbox, "2")
    await files_image(server, sandbox, "3")
    assert engine.forgotten == ["image-2"]
    engine.shared = set(engine.snapshots.names)
    with refused(Status.RESOURCE_EXHAUSTED, "2 snapshots", "in use"):
        await files_image(server, sandbox, "4")
    assert engine.forgotten == ["image-2"]


@pytest.mark.asyncio
async def test_nothing_goes_where_that_would_not_help(server: Harness, engine: GatedEngine) -> None:
    sandbox = await server.create()
    await files_image(server, sandbox, "1")
    engine.snapshots.too_deep = True
    with refused(Status.RESOURCE_EXHAUSTED, "too many layers"):
        await files_image(server, sandbox, "2")
    assert engine.forgotten == []


@pytest.mark.asyncio
async def test_a_snapshot_that_ends_its_sandbox_and_has_no_room_loses_it(
    server: Harness, engine: GatedEngine
) -> None:
    engine.snapshots.room = 1
    sandbox = await server.create()
    image_id = await files_image(server, sandbox)
    with refused(Status.RESOURCE_EXHAUSTED, "room for 1", "its files are gone"):
        await snapshot_and_end(server, sandbox)
    assert engine.forgotten == []
    await server.create(image_id=image_id)


# Directories


@pytest.mark.asyncio
async def test_a_directory_is_kept_and_mounted_elsewhere(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/a", "kept")
    image_id = await directory(server, sandbox, b"/tmp")
    other = await server.create()
    await mount(server, other, b"/srv/deep//there/", image_id)
    await mount(server, other, b"/tmp")

    assert content(other, "/srv/deep/there/a") == "kept"
    write(other, "/tmp/b", "on what is mounted")
    await unmount(server, other, b"/tmp")
    assert content(other, "/tmp/b") is None
    with refused(Status.INVALID_ARGUMENT, "/tmp"):
        await unmount(server, other, b"/tmp")


@pytest.mark.asyncio
async def test_every_image_is_mounted_and_no_directory_makes_a_sandbox(server: Harness) -> None:
    sandbox = await server.create()
    for image_id in (await files_image(server, sandbox), await server.image_id()):
        await mount(server, sandbox, b"/mnt", image_id)
        exec_id = await server.exec(sandbox, "ls", "-d", "/mnt/bin")
        assert await server.output(sandbox, exec_id) == b"/mnt/bin\n"
    with refused(Status.INVALID_ARGUMENT, "can only be mounted"):
        await server.create(image_id=await directory(server, sandbox, b"/tmp"))


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [b"", b"tmp", b"/a\0b"])
async def test_paths_are_absolute(server: Harness, path: bytes) -> None:
    sandbox = await server.create()
    for call in (directory, mount, unmount):
        with refused(Status.INVALID_ARGUMENT, "absolute"):
            await call(server, sandbox, path)


@pytest.mark.asyncio
async def test_paths_that_are_there_or_not_are_told_apart(server: Harness) -> None:
    sandbox = await server.create()
    write(sandbox, "/tmp/file", "x")
    with refused(Status.NOT_FOUND, "/nowhere"):
        await directory(server, sandbox, b"/nowhere")
    with refused(Status.INVALID_ARGUMENT, "/tmp/file"):
        await directory(server, sandbox, b"/tmp/file", snapshot_id="2")
    with refused(Status.INVALID_ARGUMENT, "'/'"):
        await mount(server, sandbox, b"/")
    with refused(Status.NOT_FOUND, "im-nope"):
        await mount(server, sandbox, b"/tmp", "im-nope")


@pytest.mark.asyncio
@pytest.mark.parametrize("turns", range(8))
async def test_a_caller_that_is_cancelled_when_the_image_is_there_leaves_none(turns: int) -> None:
    """In each turn of the loop between the engine's answer and the caller's."""
    forgotten = []

    async def forget(snapshot_id: str) -> None:
        forgotten.append(snapshot_id)

    taken: asyncio.Future[ImageRecord] = asyncio.get_running_loop().create_future()

    async def taking() -> ImageRecord:
        return await taken

    state: Any = SimpleNamespace(clock=SystemClock(), snapshot_store=SimpleNamespace(forget=forget))
    call = asyncio.ensure_future(in_time(state, 55, taking()))
    for _ in range(5):
        await asyncio.sleep(0)
    taken.set_result(ImageRecord("im-1"))
    for _ in range(turns):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    for _ in range(8):
        await asyncio.sleep(0)

    assert forgotten == (["im-1"] if call.cancelled() else [])


@pytest.mark.asyncio
async def test_a_mount_is_done_once_if_its_answer_was_lost(server: Harness) -> None:
    sandbox = await server.create()
    image_id = await directory(server, sandbox, b"/tmp")
    faults = Faults(server.app.faults)
    faults.on("TaskMountDirectory", nth=1).drop_response()
    faults.on("TaskUnmountDirectory", nth=3).drop_response()

    with pytest.raises(StreamTerminatedError):
        await mount(server, sandbox, b"/mnt", image_id)
    await mount(server, sandbox, b"/mnt", image_id)
    await unmount(server, sandbox, b"/mnt")
    with refused(Status.INVALID_ARGUMENT, "/mnt"):  # nothing is left there
        await unmount(server, sandbox, b"/mnt")

    await mount(server, sandbox, b"/mnt", image_id)
    with pytest.raises(StreamTerminatedError):
        await unmount(server, sandbox, b"/mnt")
    await unmount(server, sandbox, b"/mnt")
    with refused(Status.INVALID_ARGUMENT, "/mnt"):
        await unmount(server, sandbox, b"/mnt")

    for _ in range(2):  # these are two
        await mount(server, sandbox, b"/mnt", image_id)
    for _ in range(2):
        await unmount(server, sandbox, b"/mnt")
