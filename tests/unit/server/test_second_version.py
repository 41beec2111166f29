"""The second version of Modal's sandbox API, over the same sandboxes as the first."""

import asyncio
import re
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import router_pb2, sandboxes_pb2, secrets_pb2, snapshots_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as pb
from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import OutputLog, Requests
from pytest_sandbox.fakes import Call

from .harness import ERR, OUT, Created, Harness, refused

FIRST_ID = re.compile(r"sb-[0-9A-Za-z]{22}")
SECOND_ID = re.compile(r"sb-01[0-9A-HJKMNP-TV-Z]{24}")
TOKEN = "x-modal-sandbox-token"
STRING = snapshots_pb2.SandboxRestoreRequest.SANDBOX_NAME_OVERRIDE_TYPE_STRING


async def request_of(server: Harness, *argv: str, **fields: Any) -> pb.SandboxCreateV2Request:
    further = {name: fields.pop(name) for name in list(fields) if name in _OF_REQUEST}
    return pb.SandboxCreateV2Request(
        app_id=await server.app_id(), definition=await server.definition(*argv, **fields), **further
    )


_OF_REQUEST = ("tags", "ephemeral_secrets", "secret_sources", "cloud_bucket_mount_credentials")


async def made(server: Harness, *argv: str, **fields: Any) -> pb.SandboxCreateV2Response:
    return await server.control.SandboxCreateV2(await request_of(server, *argv, **fields))


def commanded(response: pb.SandboxCreateV2Response | pb.SandboxRestoreV2Response) -> Created:
    jwt = response.command_router_access.jwt
    return Created(response.sandbox_id, response.task_id, {"authorization": f"Bearer {jwt}"}, None)


async def create(server: Harness, *argv: str, **fields: Any) -> Created:
    return commanded(await made(server, *argv, **fields))


async def read(
    server: Harness, sandbox: Created, descriptor: int = OUT, offset: int = 0
) -> list[tuple[int, bytes]]:
    request = router_pb2.SandboxStdioReadV2Request(
        task_id=sandbox.task_id,
        offset=offset,
        file_descriptor=descriptor,  # type: ignore[arg-type]
    )
    messages = await server.router.SandboxStdioReadV2(request, metadata=sandbox.auth)
    return [(message.starting_offset, message.data) for message in messages]


async def write(
    server: Harness, sandbox: Created, offset: int, data: bytes = b"", eof: bool = False
) -> None:
    request = router_pb2.SandboxStdinWriteV2Request(
        task_id=sandbox.task_id, offset=offset, data=data, eof=eof
    )
    await server.router.SandboxStdinWriteV2(request, metadata=sandbox.auth)


async def name(server: Harness, sandbox_id: str, name: str) -> None:
    await server.control.SandboxSetName(pb.SandboxSetNameRequest(sandbox_id=sandbox_id, name=name))


async def found(server: Harness, name: str) -> str:
    request = sandboxes_pb2.SandboxGetFromNameRequest(sandbox_name=name, app_name="tests")
    return (await server.control.SandboxGetFromNameV2(request)).sandbox_id


# Create


@pytest.mark.asyncio
async def test_ids_tell_the_version(server: Harness) -> None:
    second, first = await made(server, "hang"), await server.create("hang")

    assert SECOND_ID.fullmatch(second.sandbox_id)
    assert re.fullmatch(r"ta-01[0-9A-HJKMNP-TV-Z]{24}V", second.task_id)
    assert FIRST_ID.fullmatch(first.id)
    assert not first.task_id.endswith("V") or len(first.task_id) == 25
    assert second.metadata.app_id == await server.app_id()


@pytest.mark.asyncio
async def test_a_command_needs_no_further_call(server: Harness) -> None:
    sandbox = await create(server, "hang")

    exec_id = await server.exec(sandbox, "echo", "hi")

    assert await server.output(sandbox, exec_id) == b"hi\n"


@pytest.mark.asyncio
async def test_secrets_come_with_the_request_and_a_later_one_wins(server: Harness) -> None:
    inline = secrets_pb2.SecretSource(
        env=sandboxes_pb2.StringMap(contents={"B": "inline", "C": "inline"})
    )
    stored = secrets_pb2.SecretGetOrCreateRequest(
        env_dict={"C": "stored"}, object_creation_type="OBJECT_CREATION_TYPE_EPHEMERAL"
    )
    secret_id = (await server.control.SecretGetOrCreate(stored)).secret_id
    sandbox = await create(
        server,
        "hang",
        ephemeral_secrets=sandboxes_pb2.StringMap(contents={"A": "first", "B": "first"}),
        secret_sources=[inline, secrets_pb2.SecretSource(secret_id=secret_id)],
    )

    exec_id = await server.exec(sandbox, "sh", "-c", "echo $A $B $C")

    assert await server.output(sandbox, exec_id) == b"first inline stored\n"


@pytest.mark.asyncio
async def test_requests_reach_the_engine(server: Harness) -> None:
    await create(server, resources={"milli_cpu": 250, "memory_mb": 64})
    requests = server.engine.tasks[-1].spec.requests
    assert requests == Requests(cpus=0.25, memory=64 * 1024 * 1024)


@pytest.mark.asyncio
async def test_a_repeated_creation_creates_once(server: Harness) -> None:
    request = await request_of(server, "hang")
    key = {"x-idempotency-key": "k"}

    ids = [
        (await server.control.SandboxCreateV2(request, metadata=key)).sandbox_id for _ in range(2)
    ]

    assert ids[0] == ids[1]
    assert len(server.engine.tasks) == 1


@pytest.mark.asyncio
async def test_calls_that_are_repeated_out_of_order_act_once(server: Harness) -> None:
    request = await request_of(server, "hang")

    async def create(key: str) -> str:
        metadata = {"x-idempotency-key": key}
        return (await server.control.SandboxCreateV2(request, metadata=metadata)).sandbox_id

    server.engine.gate.clear()
    asked = [asyncio.ensure_future(create(key)) for key in "abab"]
    await server.engine.waiting.wait()
    asked[0].cancel()  # its client repeats it
    asked.append(asyncio.ensure_future(create("a")))
    server.engine.gate.set()
    second, first, again, repeated = await asyncio.gather(*asked[1:])

    assert (again, repeated) == (second, first)
    assert len(server.engine.tasks) == 2
    end = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=first)
    await asyncio.gather(*(server.control.SandboxTerminateV2(end) for _ in range(3)))
    assert await create("a") == first  # late, and of a sandbox that has ended
    assert len(server.engine.tasks) == 2


@pytest.mark.asyncio
async def test_what_is_not_implemented_has_the_name_of_its_argument(server: Harness) -> None:
    with refused(Status.UNIMPLEMENTED, "custom_domain"):
        await made(server, custom_domain="example.com")


# Calls about either version


@pytest.mark.asyncio
async def test_lists_and_lookups_of_either_version_know_all_sandboxes(server: Harness) -> None:
    tags = [sandboxes_pb2.SandboxTag(tag_name="a", tag_value="b")]
    second = (await made(server, "hang", name="second", tags=tags)).sandbox_id
    first = (await server.create("hang", name="first", tags={"a": "b"})).id
    control, listing = server.control, sandboxes_pb2.SandboxListRequest(tags=tags)

    lists = [await control.SandboxList(listing), await control.SandboxListV2(listing)]

    assert [[info.id for info in each.sandboxes] for each in lists] == [[first, second]] * 2
    assert [await found(server, "first"), await found(server, "second")] == [first, second]
    for wait in (control.SandboxWait, control.SandboxWaitV2):
        for sandbox_id in (first, second):
            request = sandboxes_pb2.SandboxWaitRequest(sandbox_id=sandbox_id)
            assert (await wait(request)).result.status == 0
    await control.SandboxTerminateV2(sandboxes_pb2.SandboxTerminateRequest(sandbox_id=first))
    ended = await control.SandboxWaitV2(sandboxes_pb2.SandboxWaitRequest(sandbox_id=first))
    assert ended.result.exitcode == 137


@pytest.mark.asyncio
async def test_the_token_of_another_sandbox_is_refused(server: Harness) -> None:
    mine, other = await made(server, "hang"), await made(server, "hang")
    request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=mine.sandbox_id)

    with refused(Status.PERMISSION_DENIED, mine.sandbox_id):
        await server.control.SandboxTerminateV2(request, metadata={TOKEN: other.sandbox_token})
    with refused(Status.UNAUTHENTICATED, "sandbox"):
        await server.control.SandboxTerminateV2(request, metadata={TOKEN: "a.b.c"})
    for rpc in ("SandboxContainerCreateV2", "SandboxGetExitSnapshotV2", "SandboxGetStatsV2"):
        of_mine = getattr(pb, f"{rpc.removesuffix('V2')}Request", None) or getattr(
            pb, f"{rpc}Request"
        )
        with refused(Status.PERMISSION_DENIED, mine.sandbox_id):
            await getattr(server.control, rpc)(
                of_mine(sandbox_id=mine.sandbox_id), metadata={TOKEN: other.sandbox_token}
            )
    await server.control.SandboxTerminateV2(request, metadata={TOKEN: mine.sandbox_token})


@pytest.mark.asyncio
async def test_no_token_of_a_sandbox_commands_its_task(server: Harness) -> None:
    response = await made(server, "hang")
    sandbox = commanded(response)
    sandbox.auth = {"authorization": f"Bearer {response.sandbox_token}"}

    with refused(Status.UNAUTHENTICATED, "expired"):
        await server.exec(sandbox, "echo")


@pytest.mark.asyncio
async def test_the_router_is_reached_by_sandbox_or_task_also_after_the_end(
    server: Harness,
) -> None:
    sandbox = await create(server, "echo", "hi")
    await server.wait(sandbox, 10)

    for target in ({"sandbox_id": sandbox.id}, {"task_id": sandbox.task_id}):
        request = pb.SandboxGetCommandRouterAccessRequest(**target)
        access = await server.control.SandboxGetCommandRouterAccess(request)
        sandbox.auth = {"authorization": f"Bearer {access.jwt}"}
        assert await read(server, sandbox) == [(0, b"hi\n")]
    with refused(Status.NOT_FOUND, "has ended"):
        await server.exec(sandbox, "echo")
    with refused(Status.INVALID_ARGUMENT, "sandbox_id", "task_id"):
        await server.control.SandboxGetCommandRouterAccess(
            pb.SandboxGetCommandRouterAccessRequest()
        )


# Names


@pytest.mark.asyncio
async def test_a_sandbox_is_named_later(server: Harness) -> None:
    sandbox = await create(server, "hang")

    await name(server, sandbox.id, "later")
    await name(server, sandbox.id, "later")

    assert await found(server, "later") == sandbox.id
    with refused(Status.FAILED_PRECONDITION, "later"):
        await name(server, sandbox.id, "another")
    with refused(Status.ALREADY_EXISTS, "later"):
        await create(server, "hang", name="later")


@pytest.mark.asyncio
async def test_names_that_a_sandbox_cannot_have(server: Harness) -> None:
    sandbox, ended = await create(server, "hang"), await create(server, "echo")
    await create(server, "hang", name="taken")
    await server.wait(ended, 10)

    with refused(Status.ALREADY_EXISTS, "taken"):
        await name(server, sandbox.id, "taken")
    with refused(Status.INVALID_ARGUMENT, "a b"):
        await name(server, sandbox.id, "a b")
    with refused(Status.FAILED_PRECONDITION, "ended"):
        await name(server, ended.id, "late")


# Input and output of the main process


@pytest.mark.asyncio
async def test_output_is_read_from_any_offset(server: Harness) -> None:
    sandbox = await create(server, "sh", "-c", "echo out; echo err >&2")
    await server.wait(sandbox, 10)

    assert await read(server, sandbox) == [(0, b"out\n")]
    assert await read(server, sandbox, offset=2) == [(2, b"t\n")]
    assert await read(server, sandbox, ERR) == [(0, b"err\n")]
    assert await read(server, sandbox, offset=4) == []
    with refused(Status.INVALID_ARGUMENT, "file_descriptor"):
        await read(server, sandbox, 2)


@pytest.mark.asyncio
async def test_a_reader_is_told_where_the_output_that_is_held_begins(server: Harness) -> None:
    sandbox = await create(server, "hang")
    log = server.engine.tasks[-1].processes[0].stdout = OutputLog(4)
    await log.append(b"abcd")
    await log.read(0)
    await log.append(b"ef")
    log.close()

    assert await read(server, sandbox) == [(2, b"cdef")]


@pytest.mark.asyncio
async def test_input_arrives_once(server: Harness) -> None:
    sandbox = await create(server, "cat")

    await write(server, sandbox, 0, b"abc")
    await write(server, sandbox, 1, b"bcd")
    with refused(Status.FAILED_PRECONDITION, "byte 4"):
        await write(server, sandbox, 7, b"x")
    await write(server, sandbox, 4, b"e", eof=True)
    await write(server, sandbox, 5, eof=True)

    assert b"".join(data for _, data in await read(server, sandbox)) == b"abcde"


@pytest.mark.asyncio
async def test_a_finished_sandbox_takes_an_end_of_input_but_no_input(server: Harness) -> None:
    sandbox = await create(server, "echo")
    await server.wait(sandbox, 10)

    await write(server, sandbox, 0, eof=True)
    await write(server, sandbox, 9, eof=True)
    for offset in (0, 9):
        with refused(Status.FAILED_PRECONDITION, sandbox.id, "ended"):
            await write(server, sandbox, offset, b"x")


@pytest.mark.asyncio
async def test_input_may_be_repeated_once_it_has_ended_the_sandbox(server: Harness) -> None:
    sandbox = await create(server, "cat")
    await write(server, sandbox, 0, b"x", eof=True)
    await server.wait(sandbox, 10)

    await write(server, sandbox, 0, b"x", eof=True)

    assert await read(server, sandbox) == [(0, b"x")]


@pytest.mark.asyncio
async def test_a_reader_waits_for_output(server: Harness) -> None:
    go = asyncio.Event()

    async def late(call: Call) -> None:
        call.out("ready\n")
        await call.flush()
        await go.wait()
        call.out("done\n")

    server.engine.on_exec("late").calls(late)
    sandbox = await create(server, "late")
    request = router_pb2.SandboxStdioReadV2Request(task_id=sandbox.task_id)
    async with server.router.SandboxStdioReadV2.open(metadata=sandbox.auth) as stream:
        await stream.send_message(request, end=True)
        first = await stream.recv_message()
        go.set()
        second = await within(server.clock, 10, stream.recv_message())

    assert first is not None
    assert second is not None
    assert (first.data, first.starting_offset) == (b"ready\n", 0)
    assert (second.data, second.starting_offset) == (b"done\n", 6)


# Memory snapshots


@pytest.mark.asyncio
async def test_a_snapshot_is_taken_once_and_resumed(server: Harness) -> None:
    sandbox = await create(server, "hang", enable_snapshot=True, name="kept")
    take = router_pb2.TaskSnapshotMemoryRequest(task_id=sandbox.task_id, idempotency_key="k")

    ids = [
        (await server.router.TaskSnapshotMemory(take, metadata=sandbox.auth)).snapshot_id
        for _ in range(2)
    ]

    assert ids[0] == ids[1]
    told = await server.control.SandboxSnapshotGet(
        snapshots_pb2.SandboxSnapshotGetRequest(snapshot_id=ids[0])
    )
    assert told.handle_metadata.is_v2
    with refused(Status.ALREADY_EXISTS, "kept"):
        await server.control.SandboxRestoreV2(pb.SandboxRestoreV2Request(snapshot_id=ids[0]))
    restored = await server.control.SandboxRestoreV2(
        pb.SandboxRestoreV2Request(
            snapshot_id=ids[0], sandbox_name_override="new", sandbox_name_override_type=STRING
        )
    )
    assert SECOND_ID.fullmatch(restored.sandbox_id)
    assert await found(server, "new") == restored.sandbox_id
    exec_id = await server.exec(commanded(restored), "echo", "hi")
    assert await server.output(commanded(restored), exec_id) == b"hi\n"


@pytest.mark.asyncio
async def test_a_snapshot_that_fails_says_why(server: Harness) -> None:
    sandbox = await create(server, "hang")
    take = router_pb2.TaskSnapshotMemoryRequest(task_id=sandbox.task_id, idempotency_key="k")

    with refused(Status.FAILED_PRECONDITION, "enable_snapshot"):
        await server.router.TaskSnapshotMemory(take, metadata=sandbox.auth)
    take.idempotency_key = ""
    with refused(Status.INVALID_ARGUMENT, "idempotency_key"):
        await server.router.TaskSnapshotMemory(take, metadata=sandbox.auth)


# What is recorded


@pytest.mark.asyncio
async def test_secrets_are_not_recorded(server: Harness) -> None:
    rpcs = Rpcs(server.app.recorder)
    secret = sandboxes_pb2.StringMap(contents={"KEY": "hunter2"})
    with refused(Status.UNIMPLEMENTED, "CloudBucketMount"):  # so that no field is left out
        await made(
            server,
            ephemeral_secrets=secret,
            secret_sources=[secrets_pb2.SecretSource(env=secret)],
            cloud_bucket_mount_credentials={"bucket": secret},
            cloud_bucket_mounts=[sandboxes_pb2.CloudBucketMount(bucket_name="bucket")],
        )
    response = await made(server, "hang")

    told = rpcs.to_json()
    assert "hunter2" not in told
    assert response.sandbox_token not in told
    assert response.command_router_access.jwt not in told
    refused_call, _ = rpcs.of("SandboxCreateV2")
    assert dict(refused_call.ephemeral_secrets.contents) == {"KEY": "[secret]"}
    assert refused_call.app_id == await server.app_id()
    about = [call.rpc for call in rpcs.of_sandbox(response.sandbox_id)]
    assert about == ["SandboxCreateV2"]
