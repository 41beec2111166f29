"""Snapshots of directories with a key: stored encrypted, and of no use without it."""

import os
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import images_pb2, router_pb2
from pytest_sandbox.server.snapshots import encrypted

from .harness import Created, Harness, refused

pytestmark = pytest.mark.asyncio

KEY, OTHER = b"k" * 16, b"o" * 512
SECRET = b"a word that is looked for"


async def taken(server: Harness, sandbox: Created, path: bytes = b"/work", **fields: Any) -> str:
    request = router_pb2.TaskSnapshotDirectoryRequest(
        **{
            "task_id": sandbox.task_id,
            "path": path,
            "snapshot_id": "s",
            "customer_supplied_encryption_key": KEY,
            **fields,
        }
    )
    response = await server.router.TaskSnapshotDirectory(request, metadata=sandbox.auth)
    return response.image_id


async def mount(server: Harness, sandbox: Created, image_id: str, key: bytes | None) -> None:
    request = router_pb2.TaskMountDirectoryRequest(
        task_id=sandbox.task_id,
        path=b"/mnt/m",
        image_id=image_id,
        customer_supplied_encryption_key=key,
    )
    await server.router.TaskMountDirectory(request, metadata=sandbox.auth)


async def source(server: Harness, size: int = 0) -> Created:
    sandbox = await server.create("hang")
    files = server.engine.tasks[-1].view
    files.write("/work/deep/a", SECRET + os.urandom(size))
    return sandbox


async def shown(server: Harness, sandbox: Created) -> bytes:
    exec_id = await server.exec(sandbox, "sh", "-c", "cat /mnt/m/deep/a || echo nothing")
    return await server.output(sandbox, exec_id)


@pytest.mark.parametrize("size", [0, encrypted._PIECE, 3 * encrypted._PIECE + 1])
async def test_a_directory_is_mounted_with_its_key(server: Harness, size: int) -> None:
    sandbox = await source(server, size)
    image_id = await taken(server, sandbox)
    assert await taken(server, sandbox) == image_id  # the same call again
    other = await server.create("hang")
    await mount(server, other, image_id, KEY)
    found = await shown(server, other)
    assert found.startswith(SECRET)
    assert len(found) == len(SECRET) + size


async def test_nothing_of_it_is_stored_in_plain_text(server: Harness) -> None:
    sandbox = await source(server)
    stored = server.app.state.encrypted.find(await taken(server, sandbox))
    assert stored is not None
    stored.file.seek(0)
    data = stored.file.read()
    assert data
    assert SECRET not in data
    assert b"deep" not in data
    assert KEY not in data


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (OTHER, Status.PERMISSION_DENIED),
        (None, Status.INVALID_ARGUMENT),
        (b"short", Status.INVALID_ARGUMENT),
        (b"k" * 513, Status.INVALID_ARGUMENT),
    ],
)
async def test_without_its_key_it_is_of_no_use(
    server: Harness, key: bytes | None, status: Status
) -> None:
    sandbox = await source(server)
    image_id = await taken(server, sandbox)
    with refused(status):
        await mount(server, sandbox, image_id, key)
    assert await shown(server, sandbox) == b"nothing\n"
    with refused(Status.INVALID_ARGUMENT, "encrypted"):
        await server.create(image_id=image_id)


@pytest.mark.parametrize("damage", ["cut", "changed", "exchanged"])
async def test_a_damaged_one_leaves_nothing_mounted(server: Harness, damage: str) -> None:
    sandbox = await source(server, 3 * encrypted._PIECE)
    image_id = await taken(server, sandbox)
    stored = server.app.state.encrypted.find(image_id)
    assert stored is not None
    file, piece = stored.file.fileno(), encrypted._PIECE + encrypted._TAG
    if damage == "cut":
        object.__setattr__(stored, "size", 2 * piece)
    elif damage == "changed":
        os.pwrite(file, b"\0" * 8, 2 * piece)
    else:
        first, second = os.pread(file, piece, 0), os.pread(file, piece, piece)
        os.pwrite(file, second + first, piece)
    with refused(Status.PERMISSION_DENIED):
        await mount(server, sandbox, image_id, KEY)
    assert await shown(server, sandbox) == b"nothing\n"


async def test_it_expires_and_is_deleted(server: Harness) -> None:
    sandbox = await source(server)
    short = await taken(server, sandbox, ttl_seconds=10)
    usual = await taken(server, sandbox, snapshot_id="t")
    found = await server.control.ImageFromId(images_pb2.ImageFromIdRequest(image_id=usual))
    assert found.image_id == usual
    await server.clock.advance(11)
    with refused(Status.NOT_FOUND, "time to live"):
        await mount(server, sandbox, short, KEY)
    await server.control.ImageDelete(images_pb2.ImageDeleteRequest(image_id=usual))
    with refused(Status.NOT_FOUND, usual):
        await mount(server, sandbox, usual, KEY)


async def test_a_key_for_what_has_none(server: Harness) -> None:
    sandbox = await source(server)
    plain = await taken(server, sandbox, customer_supplied_encryption_key=None)
    with refused(Status.INVALID_ARGUMENT, "without a key"):
        await mount(server, sandbox, plain, KEY)


async def test_there_is_an_end_of_the_room(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "_MOST_BYTES", 100)
    sandbox = await source(server)
    with refused(Status.RESOURCE_EXHAUSTED, "100 bytes"):
        await taken(server, sandbox)
