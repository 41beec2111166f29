"""How long snapshots are stored, and which are evicted to make room."""

import pytest
from grpclib import Status

from pytest_sandbox.fakes import settle

from .engines import GatedEngine
from .harness import Harness, refused
from .snapshotting import directory, files_image, forget, mount, snapshot_and_end

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
