"""Apps, environments and sessions."""

import jwt
import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib import Status

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2, sandboxes_pb2

from .harness import Harness, refused

CREATE = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
FAIL = common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS


async def lookup(
    server: Harness, name: str, creation: "common_pb2.ObjectCreationType", environment: str = ""
) -> str:
    request = pb.AppGetOrCreateRequest(
        app_name=name, object_creation_type=creation, environment_name=environment
    )
    return (await server.control.AppGetOrCreate(request)).app_id


@pytest.mark.asyncio
async def test_an_app_is_created_once_per_name_and_environment(server: Harness) -> None:
    await server.control.EnvironmentGetOrCreate(
        pb.EnvironmentGetOrCreateRequest(deployment_name="dev", object_creation_type=CREATE)
    )
    first = await lookup(server, "a", CREATE)
    assert first.startswith("ap-")
    assert await lookup(server, "a", CREATE) == first
    assert await lookup(server, "a", common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED) == first
    assert await lookup(server, "a", CREATE, "main") == first
    assert await lookup(server, "a", CREATE, "dev") != first


@pytest.mark.asyncio
async def test_an_app_that_cannot_be_had_says_why(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "nobody"):
        await lookup(server, "nobody", common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED)
    with refused(Status.NOT_FOUND, "Environment", "nowhere"):
        await lookup(server, "a", CREATE, "nowhere")
    with refused(Status.INVALID_ARGUMENT, "no spaces here"):
        await lookup(server, "no spaces here", CREATE)
    with refused(Status.INVALID_ARGUMENT):
        await lookup(server, "a", common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)
    await lookup(server, "a", FAIL)
    with refused(Status.ALREADY_EXISTS, "'a'"):
        await lookup(server, "a", FAIL)


@pytest.mark.asyncio
async def test_the_default_environment_needs_no_name_and_no_creation(server: Harness) -> None:
    response = await server.control.EnvironmentGetOrCreate(pb.EnvironmentGetOrCreateRequest())
    assert response.metadata.name == "main"
    assert response.metadata.settings.image_builder_version == "2025.06"
    with refused(Status.NOT_FOUND, "nowhere"):
        await server.control.EnvironmentGetOrCreate(
            pb.EnvironmentGetOrCreateRequest(deployment_name="nowhere")
        )
    with refused(Status.ALREADY_EXISTS, "main"):
        await server.control.EnvironmentGetOrCreate(
            pb.EnvironmentGetOrCreateRequest(object_creation_type=FAIL)
        )


@pytest.mark.asyncio
async def test_an_environment_is_created_once_and_listed(server: Harness) -> None:
    create = pb.EnvironmentCreateRequest(name="dev")
    await server.control.EnvironmentCreate(create)

    with refused(Status.ALREADY_EXISTS, "dev"):
        await server.control.EnvironmentCreate(create)
    items = (await server.control.EnvironmentList(Empty())).items
    assert [(item.name, item.default) for item in items] == [("main", True), ("dev", False)]
    found = pb.EnvironmentGetOrCreateRequest(deployment_name="dev")
    response = await server.control.EnvironmentGetOrCreate(found)
    assert response.environment_id == items[1].environment_id
    with refused(Status.UNIMPLEMENTED, "restricted"):
        await server.control.EnvironmentCreate(
            pb.EnvironmentCreateRequest(name="x", is_managed=True)
        )


@pytest.mark.asyncio
async def test_a_session_begins_with_a_version_and_a_token_that_expires(server: Harness) -> None:
    assert (await server.control.ClientHello(Empty())).image_builder_version == "2025.06"
    token = (await server.control.AuthTokenGet(pb.AuthTokenGetRequest())).token
    assert jwt.decode(token, options={"verify_signature": False})["exp"] > 0


async def run_app(server: Harness, state: "pb.AppState") -> str:
    app_id = (await server.control.AppCreate(pb.AppCreateRequest(app_state=state))).app_id
    await server.control.AppPublish(pb.AppPublishRequest(app_id=app_id, app_state=state))
    await server.control.AppHeartbeat(pb.AppHeartbeatRequest(app_id=app_id))
    return app_id


async def create_in(server: Harness, app_id: str) -> str:
    request = sandboxes_pb2.SandboxCreateRequest(
        app_id=app_id, definition=await server.definition()
    )
    return (await server.control.SandboxCreate(request)).sandbox_id


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("state", "ends"), [(pb.APP_STATE_EPHEMERAL, True), (pb.APP_STATE_DETACHED, False)]
)
async def test_only_an_ephemeral_app_ends_its_sandboxes_when_its_client_leaves(
    server: Harness, state: "pb.AppState", ends: bool
) -> None:
    app_id = await run_app(server, state)
    sandbox_id = await create_in(server, app_id)
    await server.control.AppClientDisconnect(pb.AppClientDisconnectRequest(app_id=app_id))
    box = server.app.state.sandboxes.get(sandbox_id)
    assert (box.result is not None) == ends
    if ends:
        with refused(Status.FAILED_PRECONDITION, "stopped"):
            await create_in(server, app_id)


@pytest.mark.asyncio
async def test_a_published_app_is_found_by_its_name(server: Harness) -> None:
    app_id = await run_app(server, pb.APP_STATE_EPHEMERAL)
    await server.control.AppPublish(
        pb.AppPublishRequest(app_id=app_id, name="shop", app_state=pb.APP_STATE_DEPLOYED)
    )
    assert await lookup(server, "shop", common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED) == app_id
    with refused(Status.INVALID_ARGUMENT, "'a b'"):
        await server.control.AppPublish(pb.AppPublishRequest(app_id=app_id, name="a b"))
