"""Environments, and what belongs to them."""

import asyncio
from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import proxies_pb2, secrets_pb2, volumes_pb2

from .harness import Harness, refused, serve
from .test_apps import CREATE, FAIL, create_in, lookup


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


async def filled(server: Harness, name: str) -> str:
    """An environment with one of each thing; the id of its app, in which a sandbox runs."""
    control = server.control
    await control.EnvironmentCreate(pb.EnvironmentCreateRequest(name=name))
    app_id = await lookup(server, "app", CREATE, name)
    await create_in(server, app_id)
    await control.SecretGetOrCreate(
        secrets_pb2.SecretGetOrCreateRequest(
            deployment_name="secret",
            environment_name=name,
            env_dict={"A": "b"},
            object_creation_type=CREATE,
        )
    )
    await control.VolumeGetOrCreate(
        volumes_pb2.VolumeGetOrCreateRequest(
            deployment_name="volume", environment_name=name, object_creation_type=CREATE
        )
    )
    server.app.state.proxies.add("proxy", name)
    return app_id


async def there(server: Harness, name: str) -> list[str]:
    """Which of the things can be found by name in an environment."""
    control = server.control
    calls = {
        "app": control.AppGetOrCreate(
            pb.AppGetOrCreateRequest(app_name="app", environment_name=name)
        ),
        "secret": control.SecretGetOrCreate(
            secrets_pb2.SecretGetOrCreateRequest(deployment_name="secret", environment_name=name)
        ),
        "volume": control.VolumeGetOrCreate(
            volumes_pb2.VolumeGetOrCreateRequest(deployment_name="volume", environment_name=name)
        ),
        "proxy": control.ProxyGet(proxies_pb2.ProxyGetRequest(name="proxy", environment_name=name)),
    }
    answers = await asyncio.gather(*calls.values(), return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, GRPCError)]
    assert {error.status for error in failed} <= {Status.NOT_FOUND}
    return [kind for kind, answer in zip(calls, answers, strict=True) if answer not in failed]


ALL = ["app", "secret", "volume", "proxy"]


@pytest.mark.asyncio
async def test_what_belongs_to_an_environment_is_deleted_with_it(server: Harness) -> None:
    app_id = await filled(server, "dev")
    (task,) = server.engine.tasks

    await server.control.EnvironmentDelete(pb.EnvironmentDeleteRequest(name="dev"))

    assert task.poll() is not None
    with refused(Status.NOT_FOUND, "Environment 'dev'"):
        await server.control.AppList(pb.AppListRequest(environment_name="dev"))
    with refused(Status.FAILED_PRECONDITION, "is stopped"):
        await create_in(server, app_id)
    await server.control.EnvironmentCreate(pb.EnvironmentCreateRequest(name="dev"))
    assert await there(server, "dev") == []
    assert not (await server.control.AppList(pb.AppListRequest(environment_name="dev"))).apps
    with refused(Status.FAILED_PRECONDITION, "'main'"):
        await server.control.EnvironmentDelete(pb.EnvironmentDeleteRequest(name="main"))


@pytest.mark.asyncio
async def test_what_belongs_to_an_environment_is_renamed_with_it(server: Harness) -> None:
    await filled(server, "dev")
    before = (await server.control.EnvironmentList(Empty())).items[1].environment_id

    update = pb.EnvironmentUpdateRequest(
        current_name="dev", name=StringValue(value="stage"), web_suffix=StringValue(value="s")
    )
    item = await server.control.EnvironmentUpdate(update)

    assert (item.name, item.environment_id, item.webhook_suffix) == ("stage", before, "s")
    names = [each.name for each in (await server.control.EnvironmentList(Empty())).items]
    assert names == ["main", "stage"]
    assert await there(server, "stage") == ALL
    (task,) = server.engine.tasks
    assert task.poll() is None
    with refused(Status.NOT_FOUND, "Environment 'dev'"):
        await server.control.EnvironmentUpdate(update)


@pytest.mark.asyncio
async def test_a_name_is_taken_once_a_rename_to_it_has_begun(server: Harness) -> None:
    control = server.control
    app_id = await filled(server, "dev")
    create = pb.EnvironmentCreateRequest(name="stage")
    update = pb.EnvironmentUpdateRequest(current_name="dev", name=StringValue(value="stage"))
    async with server.app.state.named_volumes.lock:  # which a rename waits for
        rename = asyncio.create_task(control.EnvironmentUpdate(update))
        creation = asyncio.create_task(control.EnvironmentCreate(create))
        again = asyncio.create_task(control.EnvironmentUpdate(update))
        await control.EnvironmentList(Empty())  # by then, the calls before have begun

    assert (await rename).name == "stage"
    with refused(Status.ALREADY_EXISTS, "'stage'"):
        await creation
    with refused(Status.NOT_FOUND, "Environment 'dev'"):
        await again
    names = [each.name for each in (await control.EnvironmentList(Empty())).items]
    assert names == ["main", "stage"]
    assert server.app.state.apps.get(app_id).environment == "stage"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "words", "fields"),
    [
        (Status.ALREADY_EXISTS, "'main'", {"name": StringValue(value="main")}),
        (Status.INVALID_ARGUMENT, "'a b'", {"name": StringValue(value="a b")}),
        (Status.UNIMPLEMENTED, "image_builder_version='2026'", {"image_builder_version": "2026"}),
        (Status.UNIMPLEMENTED, "max_concurrent_tasks", {"max_concurrent_tasks": 1}),
    ],
)
async def test_what_an_environment_cannot_be(
    server: Harness, status: Status, words: str, fields: dict[str, object]
) -> None:
    await server.control.EnvironmentCreate(pb.EnvironmentCreateRequest(name="dev"))
    with refused(status, words):
        await server.control.EnvironmentUpdate(
            pb.EnvironmentUpdateRequest(current_name="dev", **fields)  # type: ignore[arg-type]
        )
    with refused(Status.FAILED_PRECONDITION, "keeps its name"):
        await server.control.EnvironmentUpdate(
            pb.EnvironmentUpdateRequest(current_name="main", name=StringValue(value="x"))
        )


@pytest.mark.asyncio
async def test_volumes_that_outlive_a_run_go_with_their_environment(tmp_path: Path) -> None:
    async with serve(volumes=tmp_path) as server:
        await filled(server, "dev")
        update = pb.EnvironmentUpdateRequest(current_name="dev", name=StringValue(value="stage"))
        await server.control.EnvironmentUpdate(update)
    async with serve(volumes=tmp_path) as server:
        for name, found in (("stage", ["volume"]), ("dev", [])):
            await server.control.EnvironmentCreate(pb.EnvironmentCreateRequest(name=name))
            assert await there(server, name) == found
        await server.control.EnvironmentDelete(pb.EnvironmentDeleteRequest(name="stage"))
        await server.control.EnvironmentCreate(pb.EnvironmentCreateRequest(name="stage"))
        assert await there(server, "stage") == []
