"""Sandboxes are kept with their processes, and new ones go on from there."""

import asyncio
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, extensions_pb2, sandboxes_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.engine import (
    Capability,
    MemorySnapshot,
)
from pytest_sandbox.fakes import settle

from .engines import GatedEngine
from .harness import Created, Harness, refused, serve

SUCCESS = common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
FAILURE = common_pb2.GenericResult.GENERIC_STATUS_FAILURE
TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
NONE = pb.SandboxRestoreRequest.SANDBOX_NAME_OVERRIDE_TYPE_NONE
STRING = pb.SandboxRestoreRequest.SANDBOX_NAME_OVERRIDE_TYPE_STRING


async def begin(server: Harness, sandbox: Created) -> str:
    request = pb.SandboxSnapshotRequest(sandbox_id=sandbox.id)
    return (await server.control.SandboxSnapshot(request)).snapshot_id


async def outcome(
    server: Harness, snapshot_id: str, timeout: float = 55
) -> common_pb2.GenericResult:
    request = pb.SandboxSnapshotWaitRequest(snapshot_id=snapshot_id, timeout=timeout)
    return (await server.control.SandboxSnapshotWait(request)).result


async def taken(server: Harness, sandbox: Created) -> str:
    snapshot_id = await begin(server, sandbox)
    assert (await outcome(server, snapshot_id)).status == SUCCESS
    return snapshot_id


async def restored(server: Harness, snapshot_id: str, **fields: Any) -> str:
    request = pb.SandboxRestoreRequest(snapshot_id=snapshot_id, **fields)
    return (await server.control.SandboxRestore(request)).sandbox_id


async def forget(server: Harness, snapshot_id: str) -> None:
    request = extensions_pb2.SnapshotForgetRequest(snapshot_id=snapshot_id)
    await ExtensionsStub(server.channel).SnapshotForget(request)


async def info_of(server: Harness, sandbox_id: str) -> sandboxes_pb2.SandboxInfo:
    listing = await server.control.SandboxList(sandboxes_pb2.SandboxListRequest())
    return next(info for info in listing.sandboxes if info.id == sandbox_id)


@pytest.mark.asyncio
async def test_any_number_of_sandboxes_go_on_from_a_snapshot(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create(
        "hang", enable_snapshot=True, name="n", tags={"a": "b"}, timeout_secs=77
    )
    assert sandbox.task.spec.freezable
    snapshot_id = await taken(server, sandbox)
    await server.terminate(sandbox)

    first = await restored(server, snapshot_id)
    second = await restored(server, snapshot_id, sandbox_name_override_type=NONE)
    third = await restored(
        server, snapshot_id, sandbox_name_override_type=STRING, sandbox_name_override="other"
    )

    assert len({first, second, third}) == 3
    specs = [task.spec for task in engine.tasks[1:]]
    assert [spec.resume for spec in specs] == [MemorySnapshot("image-1")] * 3
    assert [spec.name for spec in specs] == ["n", "", "other"]
    assert all(spec.freezable and spec.main == sandbox.task.spec.main for spec in specs)
    infos = [await info_of(server, each) for each in (first, second, third)]
    assert [info.name for info in infos] == ["n", "", "other"]
    assert all((info.timeout_secs, info.tags[0].tag_name) == (77, "a") for info in infos)


@pytest.mark.asyncio
async def test_a_name_in_use_is_refused(server: Harness) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True, name="n"))
    with refused(Status.ALREADY_EXISTS, "'n'"):
        await restored(server, snapshot_id)
    with refused(Status.INVALID_ARGUMENT, "'no name'"):
        await restored(
            server, snapshot_id, sandbox_name_override_type=STRING, sandbox_name_override="no name"
        )
    with refused(Status.INVALID_ARGUMENT, "sandbox_name_override_type"):
        await restored(server, snapshot_id, sandbox_name_override_type=7)


@pytest.mark.asyncio
async def test_a_repeated_call_restores_once(server: Harness, engine: GatedEngine) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True))
    request = pb.SandboxRestoreRequest(snapshot_id=snapshot_id)
    key = {"x-idempotency-key": "one"}
    first = await server.control.SandboxRestore(request, metadata=key)
    assert await server.control.SandboxRestore(request, metadata=key) == first
    assert len(engine.tasks) == 2


@pytest.mark.asyncio
async def test_a_restored_sandbox_can_be_kept_and_restored_again(
    server: Harness, engine: GatedEngine
) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True))
    copy = await restored(server, snapshot_id)
    request = pb.SandboxSnapshotRequest(sandbox_id=copy)
    again = (await server.control.SandboxSnapshot(request)).snapshot_id
    assert (await outcome(server, again)).status == SUCCESS
    await restored(server, again)
    assert engine.tasks[-1].spec.resume == MemorySnapshot("image-2")


@pytest.mark.asyncio
async def test_a_sandbox_that_was_not_created_for_it_is_refused(server: Harness) -> None:
    sandbox = await server.create()
    with refused(Status.FAILED_PRECONDITION, sandbox.id, "_experimental_enable_snapshot=True"):
        await begin(server, sandbox)


@pytest.mark.asyncio
async def test_an_engine_that_keeps_no_memory_refuses_by_name() -> None:
    engine = GatedEngine(capabilities=frozenset(Capability) - {Capability.MEMORY_SNAPSHOT})
    async with serve(engine) as server:
        with refused(Status.UNIMPLEMENTED, "enable_snapshot", "fake", "pytest-sandbox doctor"):
            await server.create(enable_snapshot=True)


@pytest.mark.asyncio
async def test_what_has_no_memory_snapshot_is_told_and_the_sandbox_goes_on(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create("cat", enable_snapshot=True)
    engine.unfreezable = "process 7 (nvidia-smi) holds /dev/nvidia0"
    snapshot_id = await begin(server, sandbox)

    result = await outcome(server, snapshot_id)

    assert (result.status, result.exception) == (FAILURE, engine.unfreezable)
    with refused(Status.FAILED_PRECONDITION, snapshot_id, engine.unfreezable):
        await restored(server, snapshot_id)
    assert (await server.wait(sandbox)).status == 0


@pytest.mark.asyncio
async def test_an_ended_sandbox_has_no_processes_to_keep(
    server: Harness, engine: GatedEngine
) -> None:
    sandbox = await server.create(enable_snapshot=True)
    engine.gate.clear()
    snapshot_id = await begin(server, sandbox)
    await settle()
    await server.terminate(sandbox)
    engine.gate.set()
    assert (await outcome(server, snapshot_id)).status == FAILURE
    with refused(Status.NOT_FOUND, "has ended"):
        await begin(server, sandbox)


@pytest.mark.asyncio
async def test_waiting_for_a_snapshot_has_an_end(server: Harness, engine: GatedEngine) -> None:
    sandbox = await server.create(enable_snapshot=True)
    engine.gate.clear()
    snapshot_id = await begin(server, sandbox)
    waiting = asyncio.ensure_future(outcome(server, snapshot_id, 5))
    await server.clock.advance(6)
    result = await waiting
    assert result.status == TIMEOUT
    assert "5 seconds" in result.exception

    restoring = asyncio.ensure_future(restored(server, snapshot_id))
    await settle()
    engine.gate.set()
    assert await restoring


@pytest.mark.asyncio
async def test_a_snapshot_is_known_by_its_id(server: Harness) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True))
    response = await server.control.SandboxSnapshotGet(
        pb.SandboxSnapshotGetRequest(snapshot_id=snapshot_id)
    )
    assert (response.snapshot_id, response.handle_metadata.is_v2) == (snapshot_id, False)
    for unknown in ("sn-nope", ""):
        with refused(Status.NOT_FOUND, "Snapshot", unknown):
            await server.control.SandboxSnapshotGet(
                pb.SandboxSnapshotGetRequest(snapshot_id=unknown)
            )


@pytest.mark.asyncio
async def test_a_forgotten_snapshot_is_gone_and_its_sandboxes_stay(
    server: Harness, engine: GatedEngine
) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True))
    copy = await restored(server, snapshot_id)
    await forget(server, snapshot_id)
    await forget(server, snapshot_id)
    assert engine.forgotten == ["image-1"]
    with refused(Status.NOT_FOUND, snapshot_id, "forgotten"):
        await restored(server, snapshot_id)
    assert (await info_of(server, copy)).task_info.result.status == 0
    with refused(Status.INVALID_ARGUMENT, "im-1"):
        await forget(server, "im-1")


@pytest.mark.asyncio
async def test_without_room_unused_snapshots_go_and_those_in_use_stay(
    server: Harness, engine: GatedEngine
) -> None:
    engine.snapshots.room = 2
    sandbox = await server.create(enable_snapshot=True)
    used, unused = await taken(server, sandbox), await taken(server, sandbox)
    copy = await restored(server, used)
    await taken(server, sandbox)
    assert engine.forgotten == ["image-2"]
    with refused(Status.NOT_FOUND, unused, "needed its room"):
        await restored(server, unused)
    assert (await info_of(server, copy)).task_info.result.status == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"worker_id": "x"}, "worker_id"),
        ({"replace_volume_mounts": True}, "volumes"),
        ({"volume_mounts": [{"volume_id": "vo-1"}]}, "volumes"),
    ],
)
async def test_what_is_not_built_is_refused(server: Harness, fields: Any, word: str) -> None:
    snapshot_id = await taken(server, await server.create(enable_snapshot=True))
    with refused(Status.UNIMPLEMENTED, word):
        await restored(server, snapshot_id, **fields)
