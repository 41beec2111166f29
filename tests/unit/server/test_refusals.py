"""What is refused is refused by the words of its caller: an argument or a call, no field."""

import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox._proto import (
    apps_pb2,
    common_pb2,
    containers_pb2,
    images_pb2,
    proxies_pb2,
    router_pb2,
    sandboxes_pb2,
    secrets_pb2,
    snapshots_pb2,
    volumes_pb2,
)
from pytest_sandbox._proto import sandboxes_v2_pb2 as v2
from pytest_sandbox._proto.sandboxes_pb2 import Sandbox
from pytest_sandbox.engine import Capability

from .engines import GatedEngine
from .harness import Harness, serve

pytestmark = pytest.mark.asyncio

UNIMPLEMENTED, INVALID = Status.UNIMPLEMENTED, Status.INVALID_ARGUMENT
CREATE_IF_MISSING = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
#: One that is not this machine's.
OTHER = "aarch64" if os.uname().machine == "x86_64" else "x86_64"

#: Of a sandbox: how it is refused, in which words, and a definition that asks for it.
SANDBOX: list[tuple[Status, str, dict[str, Any]]] = [
    (UNIMPLEMENTED, "ephemeral_disk", {"resources": {"ephemeral_disk_mb": 1}}),
    (UNIMPLEMENTED, "rdma", {"resources": {"rdma": True}}),
    (
        UNIMPLEMENTED,
        "volumes={'/v': CloudBucketMount(...)}",
        {"cloud_bucket_mounts": [{"mount_path": "/v"}]},
    ),
    (
        UNIMPLEMENTED,
        "volumes={'/v': CloudBucketMount(...)}",
        {"s3_mounts": [{"mount_path": "/v"}]},
    ),
    (
        UNIMPLEMENTED,
        "network_file_systems={'/n': ...}",
        {"nfs_mounts": [{"mount_path": "/n"}]},
    ),
    (UNIMPLEMENTED, "_experimental_outbound_policy", {"experimental_outbound_policy": {}}),
    (UNIMPLEMENTED, "_experimental_outbound_policy", {"outbound_policy": {}}),
    (UNIMPLEMENTED, "custom_domain='x.y'", {"custom_domain": "x.y"}),
    (UNIMPLEMENTED, "i6pn=True", {"i6pn_enabled": True}),
    (UNIMPLEMENTED, "MODAL_WORKER_ID", {"worker_id": "x"}),
    (UNIMPLEMENTED, "experimental_options={'x': ...}", {"experimental_options": {"x": True}}),
    (
        UNIMPLEMENTED,
        "experimental_options={'enable_docker': ...}",
        {"experimental_options_v2": {"enable_docker": "True"}},
    ),
    (
        UNIMPLEMENTED,
        "HTTPS_PROXY",
        {"experimental_options_v2": {"proxy_traffic_via_sidecar": "a"}},
    ),
    (UNIMPLEMENTED, "SchedulerPlacement(zone=...)", {"scheduler_placement": {"_zone": "z"}}),
    (
        UNIMPLEMENTED,
        "SchedulerPlacement(instance_types=...)",
        {"scheduler_placement": {"_instance_types": ["x"]}},
    ),
    (INVALID, "runtime='runc'", {"runtime": "runc"}),
    (INVALID, "cloud='moon'", {"cloud_provider_str": "moon"}),
    (INVALID, "region='moon'", {"scheduler_placement": {"regions": ["moon"]}}),
    (INVALID, "gpu: name a kind", {"resources": {"gpu_config": {"count": 1}}}),
    (INVALID, "gpu='A100:0'", {"resources": {"gpu_config": {"gpu_type": "A100"}}}),
    (INVALID, "unencrypted_ports=0", {"open_ports": {"ports": [{"unencrypted": True}]}}),
    (
        INVALID,
        "block_network=True",
        {"block_network": True, "open_ports": {"ports": [{"port": 1, "unencrypted": True}]}},
    ),
    (
        INVALID,
        "inbound_cidr_allowlist=['::/0'] and block_network=True",
        {"block_network": True, "inbound_cidr_allowlist": ["::/0"]},
    ),
    (INVALID, "outbound_cidr_allowlist=['::/0']", {"network_access": {"allowed_cidrs": ["::/0"]}}),
    (INVALID, "readiness_probe", {"readiness_probe": {}}),
    (INVALID, "interval_ms", {"readiness_probe": {"tcp_port": 1, "interval_ms": 0}}),
    (INVALID, "workdir", {"workdir": "x"}),
    (INVALID, "cpu: the limit", {"resources": {"milli_cpu": 2, "milli_cpu_max": 1}}),
    (Status.NOT_FOUND, "Secret 'st-x'", {"secret_ids": ["st-x"]}),
    (Status.NOT_FOUND, "Proxy 'pr-x'", {"proxy_id": "pr-x"}),
    (Status.NOT_FOUND, "Image 'im-x'", {"image_id": "im-x"}),
    (INVALID, "sub_path", {"volume_mounts": [{"mount_path": "/v", "sub_path": ".."}]}),
]

#: Fields that no client has an argument for: they can only be refused by their names.
WITHOUT_ARGUMENT: dict[str, Any] = {
    "_restore_instance_type": "x",
    "include_x509_svid": True,
    "preload_path_prefixes": ["/x"],
    "runsc_runtime_version": "1",
    "snapshot_version": 1,
}

#: The same of what an engine cannot do.
OF_THE_ENGINE: list[tuple[str, dict[str, Any]]] = [
    ("gpu='L4:1'", {"resources": {"gpu_config": {"gpu_type": "L4", "count": 1}}}),
    ("_experimental_enable_snapshot=True", {"enable_snapshot": True}),
    ("cpu=(request, limit)", {"resources": {"milli_cpu_max": 1}}),
    ("memory=(request, limit)", {"resources": {"memory_mb_max": 1}}),
    ("h2_ports=1", {"open_ports": {"ports": [{"port": 1, "tunnel_type": "TUNNEL_TYPE_H2"}]}}),
    ("readiness_probe", {"readiness_probe": {"tcp_port": 1}}),
    ("volumes={'/v': ...}", {"volume_mounts": [{"mount_path": "/v"}]}),
    (
        "outbound_cidr_allowlist=['10.0.0.0/8'], outbound_domain_allowlist=['a.example']:",
        {
            "network_access": {
                "network_access_type": "ALLOWLIST",
                "allowed_cidrs": ["10.0.0.0/8"],
                "allowed_domains": ["a.example"],
            }
        },
    ),
    (
        "experimental_options={'enable_exit_snapshot': True}",
        {"experimental_options_v2": {"enable_exit_snapshot": "True"}},
    ),
]

#: Arguments whose names are fields too, here or there.
ARGUMENTS = {
    "block_network",
    "cidr_allowlist",
    "custom_domain",
    "default_role",
    "experimental_options",
    "inbound_cidr_allowlist",
    "interval_ms",
    "max_objects",
    "readiness_probe",
    "sub_path",
    "worker_id",  # a setting of Modal's client
}
#: What only a client of somebody's own can send.
OF_THE_WIRE = {"network_access_type"}


def field_names(message: Any, seen: set[str]) -> set[str]:
    """The names of the fields of a message, and of those in it, of more than a word."""
    if message.full_name in seen:
        return set()
    seen.add(message.full_name)
    names = {field.name for field in message.fields if "_" in field.name.strip("_")}
    for field in message.fields:
        if field.message_type is not None:
            names |= field_names(field.message_type, seen)
    return names


FIELDS = set().union(
    *(
        field_names(message.DESCRIPTOR, set())
        for message in (
            v2.SandboxCreateV2Request,
            images_pb2.ImageGetOrCreateRequest,
            snapshots_pb2.SandboxRestoreRequest,
            router_pb2.TaskSnapshotFilesystemRequest,
            apps_pb2.AppPublishRequest,
            apps_pb2.EnvironmentCreateRequest,
        )
    )
)


def words_of_the_wire(message: str) -> set[str]:
    """The names of fields in a message that are no arguments."""
    return {*re.findall(r"\w+", message)} & FIELDS - ARGUMENTS - OF_THE_WIRE


async def answer(call: Awaitable[object]) -> tuple[Status, str]:
    try:
        await call
    except GRPCError as error:
        return error.status, error.message or ""
    return Status.OK, ""


async def wrong(
    call: Callable[[], Awaitable[object]], status: Status, words: str
) -> tuple[Any, ...] | None:
    """What an answer has of what it should not have."""
    got, message = await answer(call())
    if got is status and words in message and not words_of_the_wire(message):
        return None
    return got, message, words, words_of_the_wire(message)


async def v2_request(server: Harness, fields: dict[str, Any]) -> v2.SandboxCreateV2Request:
    definition = await server.definition("hang", **fields)
    return v2.SandboxCreateV2Request(app_id=await server.app_id(), definition=definition)


async def test_a_sandbox_by_its_arguments_in_both_versions(server: Harness) -> None:
    found = []
    for status, words, fields in SANDBOX:
        request = await v2_request(server, fields)
        first = await wrong(lambda: server.create("hang", **fields), status, words)  # noqa: B023
        second = await wrong(lambda: server.control.SandboxCreateV2(request), status, words)  # noqa: B023
        found += [each for each in (first, second) if each]
    assert found == []
    assert not server.engine.tasks


async def test_a_sandbox_by_its_arguments_where_an_engine_does_not_have_it() -> None:
    engine = GatedEngine(capabilities=frozenset({Capability.PTY}))
    async with serve(engine) as server:
        found = [
            await wrong(lambda: server.create("hang", **fields), UNIMPLEMENTED, words)  # noqa: B023
            for words, fields in OF_THE_ENGINE
        ]
        assert [each for each in found if each] == []


async def test_what_no_argument_sets_by_its_field(server: Harness) -> None:
    for field, value in WITHOUT_ARGUMENT.items():
        got, message = await answer(server.create("hang", **{field: value}))
        assert (got, message.partition(" ")[0]) == (UNIMPLEMENTED, field)


async def test_every_field_of_a_sandbox_is_honoured_refused_or_explained() -> None:
    honoured = {
        *("enable_snapshot", "entrypoint_args", "environment_variables", "idle_timeout_secs"),
        *("include_oidc_identity_token", "mount_ids", "name", "pty_info", "timeout_secs"),
        *("block_network", "image_id"),
    }
    # See the comment in `refused`.
    explained = {
        *("cloud_provider", "direct_sandbox_commands_enabled", "runtime_debug", "verbose"),
    }
    tables = {field for _, _, fields in SANDBOX for field in fields} | {*WITHOUT_ARGUMENT}
    assert {field.name for field in Sandbox.DESCRIPTOR.fields} == honoured | explained | tables


@pytest.mark.parametrize("runtime", ["gvisor", "vm"])
async def test_a_runtime_has_no_effect(server: Harness, runtime: str) -> None:
    await server.create("hang", runtime=runtime)


# Other calls


def image(**fields: Any) -> images_pb2.ImageGetOrCreateRequest:
    return images_pb2.ImageGetOrCreateRequest(
        image=images_pb2.Image(dockerfile_commands=["FROM debian"], **fields)
    )


def login(secret_id: str, kind: str) -> images_pb2.ImageGetOrCreateRequest:
    config: dict[str, Any] = {"secret_id": secret_id, "registry_auth_type": kind}
    return image(image_registry_config=config)


async def test_an_image_by_its_arguments(server: Harness) -> None:
    made = secrets_pb2.SecretGetOrCreateRequest(
        object_creation_type=common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
    )
    empty = (await server.control.SecretGetOrCreate(made)).secret_id
    rows: list[tuple[Status, str, images_pb2.ImageGetOrCreateRequest]] = [
        (UNIMPLEMENTED, "Image.run_function", image(build_function={"definition": "x"})),
        (UNIMPLEMENTED, "Image.run_function", image(build_function_def="x")),
        (UNIMPLEMENTED, "gpu of a step", image(gpu_config={"count": 1})),
        (UNIMPLEMENTED, "volumes of a step", image(volume_mounts=[{"volume_id": "vo-1"}])),
        (UNIMPLEMENTED, f"arch='{OTHER}'", image(arch=f"ARCH_{OTHER.upper()}")),
        (INVALID, "arch=99", image(arch=99)),
        (UNIMPLEMENTED, "from_aws_ecr", login(empty, "REGISTRY_AUTH_TYPE_AWS")),
        (INVALID, "SERVICE_ACCOUNT_JSON", login(empty, "REGISTRY_AUTH_TYPE_GCP")),
        (INVALID, "REGISTRY_USERNAME", login(empty, "REGISTRY_AUTH_TYPE_STATIC_CREDS")),
    ]
    found = [
        await wrong(lambda: server.control.ImageGetOrCreate(request), status, words)  # noqa: B023
        for status, words, request in rows
    ]
    assert [each for each in found if each] == []


async def test_what_is_looked_up_says_how_to_make_it(server: Harness) -> None:
    control = server.control
    app = apps_pb2.AppGetOrCreateRequest
    missing: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        (
            "Secret 'a' not found: set it up in a preset",
            lambda: control.SecretGetOrCreate(
                secrets_pb2.SecretGetOrCreateRequest(deployment_name="a")
            ),
        ),
        (
            "App 'a' not found: create_if_missing=True",
            lambda: control.AppGetOrCreate(app(app_name="a")),
        ),
        (
            "Environment 'e' not found: a preset makes it",
            lambda: control.AppGetOrCreate(app(app_name="a", environment_name="e")),
        ),
        (
            "Volume 'a' not found: create_if_missing=True",
            lambda: control.VolumeGetOrCreate(
                volumes_pb2.VolumeGetOrCreateRequest(deployment_name="a")
            ),
        ),
        (
            "Proxy 'a' not found: modal.Proxy is for proxies that were set up as presets",
            lambda: control.ProxyGet(proxies_pb2.ProxyGetRequest(name="a")),
        ),
    ]
    found = [await wrong(call, Status.NOT_FOUND, words) for words, call in missing]
    assert [each for each in found if each] == []


async def test_other_calls_by_their_arguments(server: Harness) -> None:
    control = server.control
    sandbox = await server.create("hang", enable_snapshot=True)
    taken = await control.SandboxSnapshot(
        snapshots_pb2.SandboxSnapshotRequest(sandbox_id=sandbox.id)
    )
    snapshot_id = taken.snapshot_id
    app_id = await server.app_id()

    def volume(**fields: Any) -> Awaitable[object]:
        request = volumes_pb2.VolumeGetOrCreateRequest(
            deployment_name="v", object_creation_type=CREATE_IF_MISSING, **fields
        )
        return control.VolumeGetOrCreate(request)

    def restore(**fields: Any) -> Awaitable[object]:
        request = snapshots_pb2.SandboxRestoreRequest(snapshot_id=snapshot_id, **fields)
        return control.SandboxRestore(request)

    def files(**fields: Any) -> Awaitable[object]:
        request = router_pb2.TaskSnapshotFilesystemRequest(
            task_id=sandbox.task_id, snapshot_id="s", **fields
        )
        return server.router.TaskSnapshotFilesystem(request, metadata=sandbox.auth)

    rows: list[tuple[Status, str, Callable[[], Awaitable[object]]]] = [
        (
            UNIMPLEMENTED,
            "experimental_options of a Volume",
            lambda: volume(create_options={"experimental_options": {"a": "b"}}),
        ),
        (UNIMPLEMENTED, "MODAL_WORKER_ID", lambda: restore(worker_id="x")),
        (
            UNIMPLEMENTED,
            "other volumes than those of the snapshot",
            lambda: restore(replace_volume_mounts=True),
        ),
        (
            UNIMPLEMENTED,
            "_experimental_encryption_key",
            lambda: files(customer_supplied_encryption_key=b"k" * 16),
        ),
        (
            UNIMPLEMENTED,
            "restricted and default_role",
            lambda: control.EnvironmentCreate(
                apps_pb2.EnvironmentCreateRequest(name="e", is_managed=True)
            ),
        ),
        (
            INVALID,
            "@app.function",
            lambda: control.AppPublish(
                apps_pb2.AppPublishRequest(app_id=app_id, function_ids={"f": "fu-1"})
            ),
        ),
        (
            INVALID,
            "user_metadata",
            lambda: control.SandboxCreateConnectToken(
                sandboxes_pb2.SandboxCreateConnectTokenRequest(
                    sandbox_id=sandbox.id, user_metadata="\n"
                )
            ),
        ),
        (
            UNIMPLEMENTED,
            "terminate_container_on_exit",
            lambda: control.ContainerExec(
                containers_pb2.ContainerExecRequest(
                    task_id=sandbox.task_id, command=["true"], terminate_container_on_exit=True
                )
            ),
        ),
    ]
    found = [await wrong(call, status, words) for status, words, call in rows]
    assert [each for each in found if each] == []
