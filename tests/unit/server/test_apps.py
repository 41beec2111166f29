"""Apps and sessions."""

import asyncio

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


async def apps(server: Harness, environment: str = "") -> list[tuple[str, str, int]]:
    """Name, state and number of running sandboxes of each app."""
    listed = await server.control.AppList(pb.AppListRequest(environment_name=environment))
    states = pb.AppState.Name
    return [
        (app.description, states(app.state).removeprefix("APP_STATE_"), app.n_running_tasks)
        for app in listed.apps
    ]


@pytest.mark.asyncio
async def test_apps_are_listed_and_stopped(server: Harness) -> None:
    first = await lookup(server, "first", CREATE)
    second = await lookup(server, "second", CREATE)
    await create_in(server, first)
    assert await apps(server) == [("second", "DEPLOYED", 0), ("first", "DEPLOYED", 1)]

    await server.clock.advance(10)
    await server.control.AppStop(pb.AppStopRequest(app_id=first))

    assert await apps(server) == [("second", "DEPLOYED", 0), ("first", "STOPPED", 0)]
    with refused(Status.FAILED_PRECONDITION, "is stopped"):
        await create_in(server, first)
    again = await lookup(server, "first", CREATE)
    assert again not in (first, second)

    request = pb.AppGetLifecycleRequest(app_id=first)
    lifecycle = (await server.control.AppGetLifecycle(request)).lifecycle
    assert lifecycle.app_state == pb.APP_STATE_STOPPED
    assert lifecycle.stopped_at == lifecycle.created_at + 10
    info = (await server.control.AppGetInfo(pb.AppGetInfoRequest(app_id=first))).info
    assert (info.description, info.lifecycle) == ("first", lifecycle)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["stop", "disconnect", "environment"])
async def test_a_sandbox_under_creation_ends_with_its_app(server: Harness, way: str) -> None:
    control = server.control
    await control.EnvironmentCreate(pb.EnvironmentCreateRequest(name="dev"))
    app_id = await lookup(server, "a", CREATE, "dev")
    if way == "disconnect":
        app_id = await run_app(server, pb.APP_STATE_EPHEMERAL)
    await server.image_id()
    server.engine.gate.clear()
    creation = asyncio.create_task(create_in(server, app_id))
    await server.engine.waiting.wait()

    if way == "stop":
        await control.AppStop(pb.AppStopRequest(app_id=app_id))
    elif way == "disconnect":
        await control.AppClientDisconnect(pb.AppClientDisconnectRequest(app_id=app_id))
    else:
        await control.EnvironmentDelete(pb.EnvironmentDeleteRequest(name="dev"))
    server.engine.gate.set()

    with refused(Status.FAILED_PRECONDITION, "is stopped"):
        await creation
    (task,) = server.engine.tasks
    assert task.poll() is not None
    assert not list(server.app.state.sandboxes.running())


@pytest.mark.asyncio
async def test_an_app_by_the_name_that_it_had(server: Harness) -> None:
    async def found(name: str) -> tuple[str, str]:
        request = pb.AppGetByDeploymentNameRequest(name=name)
        answer = await server.control.AppGetByDeploymentName(request)
        assert answer.environment_name == "main"
        return answer.app_id, answer.previous_app_id

    app_id = await lookup(server, "a", CREATE)
    assert await found("a") == (app_id, "")
    await server.control.AppStop(pb.AppStopRequest(app_id=app_id))
    assert await found("a") == ("", app_id)
    assert await found("b") == ("", "")


@pytest.mark.asyncio
async def test_tags_of_an_app(server: Harness) -> None:
    async def tags() -> dict[str, str]:
        request = pb.AppGetTagsRequest(app_id=app_id)
        return dict((await server.control.AppGetTags(request)).tags)

    create = pb.AppCreateRequest(tags={"team": "a"}, app_state=pb.APP_STATE_EPHEMERAL)
    app_id = (await server.control.AppCreate(create)).app_id
    await server.control.AppPublish(pb.AppPublishRequest(app_id=app_id, tags={"stage": "b"}))
    assert await tags() == {"team": "a", "stage": "b"}
    await server.control.AppSetTags(pb.AppSetTagsRequest(app_id=app_id, tags={"team": "c"}))
    assert await tags() == {"team": "c"}
    with refused(Status.INVALID_ARGUMENT, "'a b'"):
        await server.control.AppSetTags(pb.AppSetTagsRequest(app_id=app_id, tags={"a b": "c"}))
