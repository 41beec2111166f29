"""Snapshots of all files of a sandbox become images."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, images_pb2, snapshots_pb2
from pytest_sandbox._shared.clock import SystemClock
from pytest_sandbox.engine import Snapshot
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.model.images import ImageRecord
from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.server.snapshots.files import in_time

from .engines import GatedEngine
from .harness import Created, Harness, refused, serve
from .snapshotting import content, directory, files_image, forget, snapshot_and_end, write

SUCCESS = common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT


async def snapshot_fs(server: Harness, sandbox: Created, timeout: float = 55) -> Any:
    request = snapshots_pb2.SandboxSnapshotFsRequest(sandbox_id=sandbox.id, timeout=timeout)
    return await server.control.SandboxSnapshotFs(request)


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
