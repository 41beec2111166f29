"""What a sandbox is given besides files and limits: a place, a proxy, an identity, figures."""

import base64
import json
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, proxies_pb2, sandboxes_pb2, secrets_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as pb

from .harness import Created, Harness, refused

pytestmark = pytest.mark.asyncio

EXIT = {"experimental_options_v2": {"enable_exit_snapshot": "True"}}


def placed(*regions: str) -> dict[str, Any]:
    return {"scheduler_placement": sandboxes_pb2.SchedulerPlacement(regions=regions)}


@pytest.mark.parametrize("name", ["aws", "GCP", "oci", "auto"])
async def test_a_cloud_has_no_effect(server: Harness, name: str) -> None:
    await server.create(cloud_provider_str=name)


@pytest.mark.parametrize("name", ["us", "eu-west", "us-east-1", "us-ashburn-1", "europe-west4"])
async def test_a_region_is_told_and_has_no_effect(server: Harness, name: str) -> None:
    await server.create("hang", **placed(name))
    request = sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    assert list((await server.control.SandboxList(request)).sandboxes[0].regions) == [name]


async def test_a_cloud_and_a_region_that_there_is_not(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "cloud='moon'"):
        await server.create(cloud_provider_str="moon")
    for name in ("moon", "us east", "us-", "-1", ""):
        with refused(Status.INVALID_ARGUMENT, f"region={name!r}"):
            await server.create(**placed("us", name))


async def test_experimental_options_by_name(server: Harness) -> None:
    await server.create(experimental_options_v2={"vm_runtime": "True", "other": "False"})
    with refused(Status.UNIMPLEMENTED, "enable_docker"):
        await server.create(experimental_options_v2={"enable_docker": "true"})
    with refused(Status.UNIMPLEMENTED, "'x'"):
        await server.create(experimental_options={"x": True})


# Proxies


async def proxy_id(server: Harness, name: str) -> str:
    response = await server.control.ProxyGet(proxies_pb2.ProxyGetRequest(name=name))
    return response.proxy.proxy_id


async def test_a_proxy_is_one_that_was_set_up(server: Harness) -> None:
    server.app.state.proxies.add("office", addresses=["192.0.2.1"])
    await server.create(proxy_id=await proxy_id(server, "office"))
    with refused(Status.NOT_FOUND, "Proxy 'home'", "preset"):
        await proxy_id(server, "home")
    with refused(Status.NOT_FOUND, "pr-1"):
        await server.create(proxy_id="pr-1")


# Identity


def claims(token: str) -> dict[str, Any]:
    _, body, _ = token.split(".")
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return claims


async def test_an_identity_token_only_when_asked(server: Harness) -> None:
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    padding = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.padding")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    await server.create("hang")
    sandbox = await server.create("hang", include_oidc_identity_token=True)
    without, given = (task.spec.env for task in server.engine.tasks)
    assert "MODAL_IDENTITY_TOKEN" not in without
    token = given["MODAL_IDENTITY_TOKEN"]
    told = claims(token)
    assert told["container_id"] == sandbox.task_id
    assert told["sub"].endswith(f":app_name:tests:container_id:{sandbox.task_id}")
    assert told["exp"] > told["iat"] + 24 * 3600

    signed, _, signature = token.rpartition(".")
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    n, e = (
        int.from_bytes(base64.urlsafe_b64decode(header["jwk"][name] + "=="), "big") for name in "ne"
    )
    key = rsa.RSAPublicNumbers(e, n).public_key()
    raw = base64.urlsafe_b64decode(signature + "==")
    key.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())


# Exit snapshots


async def exit_image(server: Harness, sandbox_id: str, timeout: float = 0) -> str:
    request = pb.SandboxGetExitSnapshotRequest(sandbox_id=sandbox_id, timeout=timeout)
    response = await server.control.SandboxGetExitSnapshot(request)
    return response.success.image_id or str(response.WhichOneof("outcome"))


async def files(server: Harness, image_id: str) -> bytes:
    sandbox = await server.create("hang", image_id=image_id)
    exec_id = await server.exec(sandbox, "cat", "/srv/state")
    return await server.output(sandbox, exec_id)


@pytest.mark.parametrize("end", ["exit", "terminate", "timeout"])
async def test_an_exit_snapshot_however_it_ends(server: Harness, end: str) -> None:
    line = "echo kept > /srv/state" + ("" if end == "exit" else "; hang")
    sandbox = await server.create("sh", "-c", line, timeout_secs=10, **EXIT)
    if end == "terminate":
        assert await exit_image(server, sandbox.id) == "pending"
        await server.terminate(sandbox)
    if end == "timeout":
        await server.clock.advance(11)
    image_id = await exit_image(server, sandbox.id, 10)
    assert await files(server, image_id) == b"kept\n"
    assert await exit_image(server, sandbox.id) == image_id


async def test_without_the_option_there_is_none(server: Harness) -> None:
    sandbox = await server.create("hang")
    with refused(Status.INVALID_ARGUMENT, "enable_exit_snapshot"):
        await exit_image(server, sandbox.id)


# Figures


async def stats(server: Harness, sandbox: Created, **span: int) -> pb.SandboxGetStatsResponse:
    request = pb.SandboxGetStatsRequest(sandbox_id=sandbox.id)
    for name, seconds in span.items():
        getattr(request, name).seconds = seconds
    return await server.control.SandboxGetStats(request)


async def test_figures_of_a_sandbox(server: Harness) -> None:
    server.engine.on_exec("eat").calls(lambda call: call.out(b"x" * 1000))
    sandbox = await server.create("hang", resources={"milli_cpu": 500})
    await server.output(sandbox, await server.exec(sandbox, "eat"))
    await server.clock.advance(100)
    told = await stats(server, sandbox)
    assert (told.num_datapoints, round(told.duration_hours * 3600)) == (1, 100)
    assert round(told.billed_cpu_core_seconds) == 50
    assert set(told.percentile_stats) == {"CPU Usage (cores)", "Memory Usage (GiB)"}
    assert not told.HasField("cost")
    await server.terminate(sandbox)
    await server.clock.advance(100)
    late = await stats(server, sandbox)
    assert round(late.duration_hours * 3600) == 100
    assert (await stats(server, sandbox, since=int(server.clock.now()) - 50)).num_datapoints == 0
    with refused(Status.INVALID_ARGUMENT, "since"):
        await stats(server, sandbox, since=2, until=1)

    request = pb.SandboxGetResourceUsageRequest(sandbox_id=sandbox.id)
    used = await server.control.SandboxGetResourceUsage(request)
    assert (used.cpu_core_nanosecs, used.gpu_nanosecs) == (0, 0)


# Secrets


async def test_secrets_are_listed_changed_and_deleted(server: Harness) -> None:
    create = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
    ids = {}
    for name in ("one", "two"):
        await server.clock.advance(1)
        request = secrets_pb2.SecretGetOrCreateRequest(
            deployment_name=name, env_dict={"A": "a", "B": "b"}, object_creation_type=create
        )
        ids[name] = (await server.control.SecretGetOrCreate(request)).secret_id

    listed = (await server.control.SecretList(secrets_pb2.SecretListRequest())).items
    assert [item.label for item in listed] == ["two", "one"]
    page = secrets_pb2.SecretListRequest()
    page.pagination.created_before = listed[0].created_at
    assert [each.label for each in (await server.control.SecretList(page)).items] == ["one"]

    change = secrets_pb2.SecretUpdateRequest(secret_id=ids["one"])
    change.updates.add(key="A", value="changed")
    change.updates.add(key="B")
    await server.control.SecretUpdate(change)
    info = await server.control.SecretGetInfo(
        secrets_pb2.SecretGetInfoRequest(secret_id=ids["one"])
    )
    assert list(info.metadata.keys) == ["A"]
    await server.create("hang", secret_ids=[ids["one"]])
    assert server.engine.tasks[-1].spec.env["A"] == "changed"

    await server.control.SecretDelete(secrets_pb2.SecretDeleteRequest(secret_id=ids["one"]))
    with refused(Status.NOT_FOUND, "one"):
        request = secrets_pb2.SecretGetOrCreateRequest(deployment_name="one")
        await server.control.SecretGetOrCreate(request)
