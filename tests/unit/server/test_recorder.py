"""What the server writes down about calls, and what it does not."""

import asyncio
import base64
import re
from typing import Any, cast

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import (
    common_pb2,
    containers_pb2,
    extensions_pb2,
    inspector_pb2,
    router_pb2,
    sandboxes_pb2,
    secrets_pb2,
    volumes_pb2,
)
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.rpc import recorder
from pytest_sandbox.server.rpc.auth import ListenerConfig, TokenPair
from pytest_sandbox.server.rpc.redaction import public_message

from .harness import Created, Harness, refused, serve


@pytest.fixture
def rpcs(server: Harness) -> Rpcs:
    return Rpcs(server.app.recorder)


async def _pour(server: Harness, sandbox: Created, exec_id: str, chunks: list[bytes]) -> None:
    message = router_pb2.TaskExecStdinWriteStreamRequest
    first, last = message(), message()
    first.start.task_id, first.start.exec_id = sandbox.task_id, exec_id
    last.end.SetInParent()
    async with server.router.TaskExecStdinWriteStream.open(metadata=sandbox.auth) as stream:
        for each in [first, *(message(data=chunk) for chunk in chunks)]:
            await stream.send_message(each)
        await stream.send_message(last, end=True)
        await stream.recv_message()


@pytest.mark.asyncio
async def test_a_call_is_recorded_with_request_and_response(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create("hang", timeout_secs=300)
    call = rpcs.of("SandboxCreate").one()
    assert call.definition.timeout_secs == 300
    assert list(call.definition.entrypoint_args) == ["hang"]
    assert call.response.sandbox_id == sandbox.id
    assert call.sandbox_ids == (sandbox.id,)
    assert (call.status, call.listener, call.request_count, call.response_count) == (
        "OK",
        "unix",
        1,
        1,
    )


@pytest.mark.asyncio
async def test_a_request_is_recorded_as_it_was_sent(server: Harness, rpcs: Rpcs) -> None:
    """The server fills in a timeout that the client left open."""
    await server.create("hang")
    assert rpcs.of("SandboxCreate").one().definition.timeout_secs == 0


@pytest.mark.asyncio
async def test_time_is_that_of_the_engine(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create("hang")
    await server.clock.advance(7)
    waiting = asyncio.ensure_future(server.wait(sandbox, timeout=5))
    await settle()
    assert rpcs.of("SandboxWait").one().status == ""
    await server.clock.advance(5)
    await waiting
    call = rpcs.of("SandboxWait").one()
    assert (call.started, call.seconds) == (1_000_000_007.0, 5.0)


@pytest.mark.asyncio
async def test_failures_are_recorded_with_their_status(server: Harness, rpcs: Rpcs) -> None:
    with refused(Status.NOT_FOUND):
        await server.control.SandboxWait(sandboxes_pb2.SandboxWaitRequest(sandbox_id="sb-no"))
    call = rpcs.of("SandboxWait").with_status("NOT_FOUND").one()
    assert "sb-no" in call.message
    assert call.response is None


@pytest.mark.asyncio
async def test_a_call_that_is_refused_at_the_door_is_recorded(server: Harness, rpcs: Rpcs) -> None:
    with refused(Status.UNAUTHENTICATED):
        await server.router.TaskExecStart(router_pb2.TaskExecStartRequest())
    call = rpcs.of("TaskExecStart").one()
    assert (call.status, call.request) == ("UNAUTHENTICATED", None)


@pytest.mark.asyncio
async def test_a_token_of_an_answer_is_not_recorded(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create()
    request = sandboxes_pb2.SandboxCreateConnectTokenRequest(sandbox_id=sandbox.id)
    response = await server.control.SandboxCreateConnectToken(request)
    call = rpcs.of("SandboxCreateConnectToken").one()
    assert call.status == "OK"
    assert response.token not in repr(call.response)


@pytest.mark.asyncio
async def test_a_call_that_the_client_gave_up_is_cancelled(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create("hang")
    waiting = asyncio.ensure_future(server.wait(sandbox, timeout=50))
    await settle()
    waiting.cancel()
    await settle()
    assert rpcs.of("SandboxWait").one().status == "CANCELLED"


@pytest.mark.asyncio
async def test_streams_are_recorded_message_by_message(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "echo", "hello")
    await server.output(sandbox, exec_id)
    call = rpcs.of("TaskExecStdioRead").one()
    assert b"".join(each.data for each in call.responses) == b"hello\n"
    assert call.sandbox_ids == (sandbox.id,)


@pytest.mark.asyncio
async def test_requests_that_come_as_a_stream_are_recorded(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "cat")
    await _pour(server, sandbox, exec_id, [b"abc"])
    call = rpcs.of("TaskExecStdinWriteStream").one()
    assert call.request_count == 3
    assert call.requests[1].data == b"abc"


@pytest.mark.asyncio
async def test_fields_that_are_not_known_are_kept(server: Harness, rpcs: Rpcs) -> None:
    known = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    unknown = b"\xba\x3e\x03new"  # field 999, bytes
    await server.control.SandboxList(
        sandboxes_pb2.SandboxListRequest.FromString(known.SerializeToString() + unknown)
    )
    request = rpcs.of("SandboxList").one().request
    assert [field.data for field in cast("Any", UnknownFieldSet(request))] == [b"new"]


@pytest.mark.asyncio
async def test_our_own_calls_are_recorded_too(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create()
    request = extensions_pb2.SandboxSnapshotEndRequest(sandbox_id=sandbox.id)
    await ExtensionsStub(server.channel).SandboxSnapshotEnd(request)
    call = rpcs.of("SandboxSnapshotEnd").one()
    assert (call.sandbox_ids, call.status) == ((sandbox.id,), "OK")


@pytest.mark.asyncio
async def test_keys_of_encryption_are_not_told(server: Harness, rpcs: Rpcs) -> None:
    sandbox = await server.create()
    request = router_pb2.TaskSnapshotFilesystemRequest(
        task_id=sandbox.task_id, snapshot_id="s", customer_supplied_encryption_key=b"hunter2"
    )
    with refused(Status.UNIMPLEMENTED):
        await server.router.TaskSnapshotFilesystem(request, metadata=sandbox.auth)
    told = rpcs.of("TaskSnapshotFilesystem").one().request
    assert told.customer_supplied_encryption_key == b"[secret]"


@pytest.mark.asyncio
async def test_addresses_of_contents_are_not_told(server: Harness, rpcs: Rpcs) -> None:
    """Whoever knows one may write or read there."""
    digest = base64.b64encode(bytes(32)).decode()
    await server.control.BlobCreate(
        volumes_pb2.BlobCreateRequest(content_length=5, content_sha256_base64=digest)
    )

    (address,) = rpcs.of("BlobCreate").one().response.upload_urls.items
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\[secret\]", address)
    answers = (
        volumes_pb2.BlobCreateResponse(upload_url="https://s3.test/a?s=s3cret"),
        volumes_pb2.MultiPartUpload(
            upload_urls=["https://s3.test?s=s3cret"], completion_url="https://u:s3cret@s3.test/a"
        ),
        volumes_pb2.VolumeGetFile2Response(get_urls=["https://s3.test/a?s=s3cret", "s3cret"]),
        volumes_pb2.VolumePutFiles2Response(
            missing_blocks=[
                volumes_pb2.VolumePutFiles2Response.MissingBlock(put_url="https://s3.test/s3cret")
            ]
        ),
    )
    for answer in answers:
        shown = public_message(answer)
        assert b"s3cret" not in shown
        assert b"https://s3.test/[secret]" in shown


@pytest.mark.asyncio
async def test_secrets_are_not_told(server: Harness, rpcs: Rpcs) -> None:
    made = await server.control.SecretGetOrCreate(
        secrets_pb2.SecretGetOrCreateRequest(
            env_dict={"KEY": "hunter2"},
            object_creation_type=common_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
            app_id=await server.app_id(),
        ),
        metadata={"x-modal-token-secret": "hunter2", "x-modal-client-version": "1.2.3"},
    )
    sandbox = await server.create("hang")
    await server.control.TaskGetCommandRouterAccess(
        containers_pb2.TaskGetCommandRouterAccessRequest(task_id=sandbox.task_id)
    )
    source = secrets_pb2.SecretSource()
    source.env.contents["OTHER"] = "hunter2"
    await server.exec(sandbox, "echo", env={"VARIABLE": "hunter2"}, secret_sources=[source])

    changed = secrets_pb2.SecretUpdateRequest(secret_id=made.secret_id)
    changed.updates.add(key="KEY", value="hunter2")
    await server.control.SecretUpdate(changed)

    told = rpcs.to_json()
    assert "hunter2" not in told
    assert sandbox.auth["authorization"].split()[1] not in told
    secret = rpcs.of("SecretGetOrCreate").one()
    assert dict(secret.env_dict) == {"KEY": "[secret]"}
    assert secret.metadata["x-modal-token-secret"] == "[secret]"
    assert secret.metadata["x-modal-client-version"] == "1.2.3"
    start = rpcs.of("TaskExecStart").one()
    assert dict(start.env) == {"VARIABLE": "[secret]"}
    assert dict(start.secret_sources[0].env.contents) == {"OTHER": "[secret]"}
    assert start.metadata["authorization"] == "[secret]"


@pytest.mark.asyncio
async def test_nothing_is_held_when_nobody_wants_to_know(server: Harness) -> None:
    await server.app_id()
    rpcs = Rpcs(server.app.recorder)
    assert list(rpcs) == []
    await server.create("hang")
    assert rpcs.count > 0
    rpcs.close()
    await server.create("hang")
    assert list(server.app.recorder.record(0).records) == []


@pytest.mark.asyncio
async def test_two_readers_begin_and_end_on_their_own(server: Harness) -> None:
    early = Rpcs(server.app.recorder)
    await server.app_id()
    late = Rpcs(server.app.recorder)
    early.close()
    await server.image_id()
    assert [call.rpc for call in late] == ["ImageGetOrCreate"]


@pytest.mark.asyncio
async def test_the_inspector_does_not_record_itself(server: Harness, rpcs: Rpcs) -> None:
    await server.inspector.Engine(inspector_pb2.InspectorEngineRequest())
    rpcs.none()


@pytest.mark.asyncio
async def test_the_oldest_calls_make_room_and_are_counted(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CALLS", 3)
    request = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    for _ in range(5):
        await server.control.SandboxList(request)
    assert (rpcs.count, rpcs.dropped) == (3, 3)
    with pytest.raises(AssertionError, match="3 earlier calls are no longer recorded"):
        rpcs.of("SandboxCreate").none()


@pytest.mark.asyncio
async def test_calls_that_were_read_are_not_lost_when_they_make_room(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CALLS", 3)
    request = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    for expected in range(2, 10):
        await server.control.SandboxList(request)
        assert (rpcs.count, rpcs.dropped) == (expected, 0)


@pytest.mark.asyncio
async def test_bytes_are_bounded_for_all_calls_together(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "BYTES", 1000)
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "cat")
    for offset in range(0, 4000, 400):
        await server.write(sandbox, exec_id, b"x" * 400, offset)
    assert server.app.recorder._bytes <= 1000
    assert rpcs.last.data == b"x" * 400
    assert rpcs.dropped > 0


@pytest.mark.asyncio
async def test_large_messages_are_counted_and_not_kept(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CALL_BYTES", 1000)
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "cat")
    await server.write(sandbox, exec_id, b"x" * 5000)
    call = rpcs.of("TaskExecStdinWrite").one()
    assert (call.request, call.request_count, call.request_bytes > 5000) == (None, 1, True)
    with pytest.raises(AttributeError, match="was not recorded"):
        _ = call.data


@pytest.mark.asyncio
async def test_what_is_kept_of_a_stream_is_its_beginning(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CALL_MESSAGES", 2)
    sandbox = await server.create("hang")
    exec_id = await server.exec(sandbox, "cat")
    await _pour(server, sandbox, exec_id, [b"a", b"b", b"c"])
    call = rpcs.of("TaskExecStdinWriteStream").one()
    assert [each.data for each in call.requests] == [b"", b"a"]
    assert call.request_count == 5


@pytest.mark.asyncio
async def test_a_long_record_is_read_in_pages(
    server: Harness, rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "PAGE", 10)
    request = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    for _ in range(5):
        await server.control.SandboxList(request)
    assert server.app.recorder.record(0).more
    assert rpcs.of("SandboxList").count == 5


@pytest.mark.asyncio
async def test_phases_are_told_apart(server: Harness, rpcs: Rpcs) -> None:
    rpcs.begin_phase("setup")
    app_id = await server.app_id()
    rpcs.begin_phase("call")
    await server.control.SandboxList(sandboxes_pb2.SandboxListRequest(app_id=app_id))
    assert [(call.rpc, call.phase) for call in rpcs] == [
        ("AppGetOrCreate", "setup"),
        ("SandboxList", "call"),
    ]
    assert rpcs.in_phase("call").one().rpc == "SandboxList"


@pytest.mark.asyncio
async def test_callers_are_told_apart(server: Harness) -> None:
    mine = Rpcs(server.app.recorder, caller="gw0")
    await server.app_id({"x-sandbox-caller": "gw1"})
    await server.image_id({"x-sandbox-caller": "gw0"})
    assert [call.rpc for call in mine] == ["ImageGetOrCreate"]


@pytest.mark.asyncio
async def test_calls_are_found_by_their_sandbox(server: Harness, rpcs: Rpcs) -> None:
    first, second = await server.create("hang"), await server.create("hang")
    await server.exec(first, "echo")
    await server.exec(second, "echo")
    await server.terminate(second)
    assert [call.rpc for call in rpcs.of_sandbox(second.id)] == [
        "SandboxCreate",
        "TaskExecStart",
        "SandboxTerminate",
    ]


@pytest.mark.asyncio
async def test_calls_of_real_modal_clients_say_where_they_came_in() -> None:
    shown = {"x-modal-token-id": "ak-x", "x-modal-token-secret": "as-y"}
    async with serve(listener=ListenerConfig("tcp", TokenPair("ak-x", "as-y"))) as server:
        rpcs = Rpcs(server.app.recorder)
        await server.app_id(shown)
        call = rpcs.of("AppGetOrCreate").one()
    assert call.listener == "tcp"
    assert {call.metadata[name] for name in shown} == {"[secret]"}
