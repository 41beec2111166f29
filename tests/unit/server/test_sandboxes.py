"""Creating, finding, listing and tagging sandboxes."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import images_pb2, router_pb2, sandboxes_pb2
from pytest_sandbox.engine import (
    OPEN_NETWORK,
    Capability,
    EndCause,
    EngineInfo,
    ExitStatus,
    Limits,
    Network,
    PtySize,
    Requests,
    TaskEnd,
)
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.server.model.result import result_of

from .engines import GatedEngine
from .harness import Created, Harness, refused, serve


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("access", "network"),
    [
        ({"network_access_type": "OPEN"}, None),
        ({"network_access_type": "BLOCKED"}, None),
        ({"network_access_type": "ALLOWLIST"}, None),
        ({"network_access_type": "ALLOWLIST", "allowed_cidrs": ["::/0"]}, Network(("::/0",))),
        (
            {"network_access_type": "ALLOWLIST", "allowed_domains": ["example.com"]},
            Network(domains=("example.com",)),
        ),
    ],
    ids=str,
)
async def test_what_the_engine_is_asked_for(
    server: Harness, access: dict[str, Any], network: Network | None
) -> None:
    await server.create(network_access=access)
    (task,) = server.engine.tasks
    assert task.spec.network == network


@pytest.mark.asyncio
async def test_the_network_of_a_running_sandbox_changes(server: Harness) -> None:
    access: dict[str, Any] = {"network_access_type": "ALLOWLIST", "allowed_cidrs": ["::/0"]}
    sandbox = await server.create(network_access=access)
    (task,) = server.engine.tasks

    async def change(access: dict[str, Any]) -> None:
        request = router_pb2.TaskSetNetworkAccessRequest(
            task_id=sandbox.task_id, network_access=access
        )
        await server.router.TaskSetNetworkAccess(request, metadata=sandbox.auth)

    await change({"network_access_type": "BLOCKED"})
    assert task.spec.network == Network()
    await change({"network_access_type": "OPEN"})
    assert task.spec.network == OPEN_NETWORK
    await change({**access, "allowed_domains": ["a.example"]})
    assert task.spec.network == Network(("::/0",), ("a.example",))
    with refused(Status.INVALID_ARGUMENT, "network_access_type"):
        await change({})
    with refused(Status.INVALID_ARGUMENT, "Invalid CIDR: 'x'"):
        await change({**access, "allowed_cidrs": ["x"]})
    assert task.spec.network == Network(("::/0",), ("a.example",))


@pytest.mark.asyncio
async def test_networks_that_make_no_sense_are_refused(server: Harness) -> None:
    access = {"network_access_type": "ALLOWLIST", "allowed_domains": ["a b"]}
    with refused(Status.INVALID_ARGUMENT, "Invalid domain: 'a b'"):
        await server.create(network_access=access)
    for cidr in ("10.0.0.1/8", "example.com"):
        access = {"network_access_type": "ALLOWLIST", "allowed_cidrs": [cidr]}
        with refused(Status.INVALID_ARGUMENT, f"Invalid CIDR: {cidr!r}"):
            await server.create(network_access=access)
    with refused(Status.INVALID_ARGUMENT, "cidr_allowlist=['::/0']"):
        await server.create(network_access={"allowed_cidrs": ["::/0"]})
    assert not server.engine.tasks


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["OPEN", "BLOCKED"])
async def test_what_clients_send_by_default_is_accepted(server: Harness, kind: str) -> None:
    sandbox = await server.create(
        network_access={"network_access_type": kind},
        resources={},
        open_ports={},
        verbose=True,
        timeout_secs=300,
    )
    assert re.fullmatch("sb-[0-9a-zA-Z]{22}", sandbox.id)
    assert re.fullmatch("ta-[0-9a-zA-Z]{22}", sandbox.task_id)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("argv", "fields", "words"),
    [
        (["echo", "x" * 2**16], {}, ["65540", "65536"]),
        (["echo", "a\0b"], {}, ["NUL", "a\\x00b"]),
        ([""], {}, ["empty"]),
        (["hang"], {"workdir": "srv"}, ["absolute", "'srv'"]),
        (["hang"], {"name": "a b"}, ["'a b'"]),
        (["hang"], {"name": ""}, ["''"]),
        (["hang"], {"name": "x" * 65}, ["xxx"]),
        (["hang"], {"tags": {"a b": "c"}}, ["a b"]),
        (["hang"], {"tags": {"a": "x" * 64}}, ["xxx"]),
        (["nope"], {}, ["'nope'"]),
        (["hang"], {"environment_variables": {"contents": {"A=B": "x"}}}, ["A=B"]),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_bad_input_is_invalid_and_shown(
    server: Harness, argv: list[str], fields: dict[str, Any], words: list[str]
) -> None:
    with refused(Status.INVALID_ARGUMENT, *words):
        await server.create(*argv, **fields)
    assert not server.engine.tasks


# Resources


@pytest.mark.asyncio
async def test_limits_and_requests_reach_the_engine(server: Harness) -> None:
    await server.create(
        resources={"milli_cpu": 500, "milli_cpu_max": 1500, "memory_mb": 64, "memory_mb_max": 128}
    )
    spec = server.engine.tasks[-1].spec
    assert spec.limits == Limits(cpus=1.5, memory=128 * 1024 * 1024)
    assert spec.requests == Requests(cpus=0.5, memory=64 * 1024 * 1024)
    await server.create()
    assert server.engine.tasks[-1].spec.requests == Requests()


@pytest.mark.asyncio
async def test_a_request_has_to_fit_the_machine(server: Harness) -> None:
    cpus = os.cpu_count() or 1
    await server.create(resources={"milli_cpu": cpus * 1000, "memory_mb": 64})
    with refused(Status.RESOURCE_EXHAUSTED, f"cpu={cpus + 1}"):
        await server.create(resources={"milli_cpu": (cpus + 1) * 1000})
    with refused(Status.RESOURCE_EXHAUSTED, "memory=", "MiB"):
        await server.create(resources={"memory_mb": 2**31})


@pytest.mark.asyncio
async def test_the_machine_of_the_engine_decides_what_fits() -> None:
    class Elsewhere(FakeEngine):
        async def start(self) -> EngineInfo:
            return replace(await super().start(), processors=10_000, memory=None)

    async with serve(Elsewhere()) as server:
        await server.create(resources={"milli_cpu": 9_999_000, "memory_mb": 2**31})
        with refused(Status.RESOURCE_EXHAUSTED, "cpu=10001", "10000 processors"):
            await server.create(resources={"milli_cpu": 10_001_000})


@pytest.mark.asyncio
async def test_a_limit_below_its_request_is_invalid(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "memory"):
        await server.create(resources={"memory_mb": 64, "memory_mb_max": 32})


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", ["milli_cpu_max", "memory_mb_max"])
async def test_a_limit_that_the_engine_does_not_have_is_refused(limit: str) -> None:
    async with serve(GatedEngine(capabilities=frozenset({Capability.PTY}))) as server:
        with refused(Status.UNIMPLEMENTED, limit.partition("_m")[0].removeprefix("milli_")):
            await server.create(resources={limit: 2**10})


@pytest.mark.asyncio
async def test_a_terminal_has_its_size_and_its_variables(server: Harness) -> None:
    info = {"enabled": True, "winsz_rows": 50, "env_term": "xterm"}
    await server.create("hang", pty_info=info)
    spec = server.engine.tasks[-1].spec
    assert spec.main is not None
    assert (spec.main.pty, spec.main.env, spec.env) == (PtySize(50, 80), {"TERM": "xterm"}, {})


@pytest.mark.asyncio
async def test_variables_of_the_definition_win_over_those_of_the_terminal(
    server: Harness,
) -> None:
    await server.create(
        "hang",
        pty_info={"enabled": True, "env_term": "xterm"},
        environment_variables={"contents": {"TERM": "dumb"}},
    )
    spec = server.engine.tasks[-1].spec
    assert spec.main is not None
    assert (spec.env, spec.main.env) == ({"TERM": "dumb"}, {"TERM": "dumb"})


# Names


async def from_name(server: Harness, name: str, *, terminated: bool = False) -> str:
    request = sandboxes_pb2.SandboxGetFromNameRequest(
        sandbox_name=name, app_name="tests", include_terminated=terminated
    )
    return (await server.control.SandboxGetFromName(request)).sandbox_id


@pytest.mark.asyncio
async def test_a_name_is_taken_while_its_sandbox_runs(server: Harness) -> None:
    first = await server.create(name="web")
    assert await from_name(server, "web") == first.id
    with refused(Status.ALREADY_EXISTS, "'web'"):
        await server.create(name="web")
    await server.terminate(first)
    with refused(Status.NOT_FOUND, "'web'"):
        await from_name(server, "web")
    assert await from_name(server, "web", terminated=True) == first.id
    second = await server.create(name="web")
    assert await from_name(server, "web") == second.id


@pytest.mark.asyncio
async def test_two_creations_at_once_cannot_have_one_name(server: Harness) -> None:
    await server.create()
    calls = [server.create(name="web") for _ in range(5)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, Created) for outcome in outcomes) == 1
    assert len(server.engine.tasks) == 2


@pytest.mark.asyncio
async def test_a_failed_creation_leaves_its_name_free(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT):
        await server.create("nope", name="web")
    await server.create(name="web")


@pytest.mark.asyncio
async def test_a_name_in_an_unknown_app_is_not_found(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "App", "tests"):
        await from_name(server, "web")


# Tags and lists


async def listed(server: Harness, **fields: Any) -> list[str]:
    request = sandboxes_pb2.SandboxListRequest(**fields)
    return [info.id for info in (await server.control.SandboxList(request)).sandboxes]


def tags(values: Mapping[str, str]) -> list[sandboxes_pb2.SandboxTag]:
    return [sandboxes_pb2.SandboxTag(tag_name=k, tag_value=v) for k, v in values.items()]


@pytest.mark.asyncio
async def test_tags_are_replaced_as_a_whole(server: Harness) -> None:
    sandbox = await server.create(tags={"a": "1"})
    get = sandboxes_pb2.SandboxTagsGetRequest(sandbox_id=sandbox.id)
    assert list((await server.control.SandboxTagsGet(get)).tags) == tags({"a": "1"})
    put = sandboxes_pb2.SandboxTagsSetRequest(sandbox_id=sandbox.id, tags=tags({"b": "2"}))
    await server.control.SandboxTagsSet(put)
    assert list((await server.control.SandboxTagsGet(get)).tags) == tags({"b": "2"})
    bad = sandboxes_pb2.SandboxTagsSetRequest(sandbox_id=sandbox.id, tags=tags({"b c": "2"}))
    with refused(Status.INVALID_ARGUMENT, "b c"):
        await server.control.SandboxTagsSet(bad)


@pytest.mark.asyncio
async def test_a_list_is_filtered_by_tags_app_and_state(server: Harness) -> None:
    first = await server.create(tags={"a": "1", "b": "2"})
    second = await server.create(tags={"a": "1"})
    finished = await server.create()
    await server.terminate(finished)
    app_id = await server.app_id()

    assert await listed(server) == [second.id, first.id]
    assert await listed(server, app_id=app_id) == [second.id, first.id]
    assert await listed(server, include_finished=True) == [finished.id, second.id, first.id]
    assert await listed(server, tags=tags({"a": "1", "b": "2"})) == [first.id]
    with refused(Status.NOT_FOUND, "ap-nope"):
        await listed(server, app_id="ap-nope")
    with refused(Status.NOT_FOUND, "nowhere"):
        await listed(server, environment_name="nowhere")
    with refused(Status.INVALID_ARGUMENT, "a b"):
        await listed(server, tags=tags({"a b": "c"}))


@pytest.mark.asyncio
async def test_pages_hold_every_sandbox_once_although_the_clock_stands_still(
    server: Harness,
) -> None:
    created = [(await server.create()).id for _ in range(205)]
    pages = []
    before = 0.0
    while True:
        request = sandboxes_pb2.SandboxListRequest(before_timestamp=before)
        page = (await server.control.SandboxList(request)).sandboxes
        if not page:
            break
        pages.append([info.id for info in page])
        before = page[-1].created_at
    assert [len(page) for page in pages] == [100, 100, 5]
    assert [each for page in pages for each in page] == created[::-1]


@pytest.mark.asyncio
async def test_a_list_describes_its_sandboxes(server: Harness) -> None:
    sandbox = await server.create("fail", "3", name="n", tags={"a": "1"}, idle_timeout_secs=9)
    await server.wait(sandbox, 10)
    request = sandboxes_pb2.SandboxListRequest(include_finished=True)
    (info,) = (await server.control.SandboxList(request)).sandboxes
    assert (info.name, info.timeout_secs, info.idle_timeout_secs) == ("n", 300, 9)
    assert info.task_info.id == sandbox.task_id
    assert info.task_info.result.exitcode == 3
    assert info.app_id == await server.app_id()


# Ends


@pytest.mark.asyncio
async def test_the_task_of_a_sandbox_is_known_also_after_its_end(server: Harness) -> None:
    sandbox = await server.create("hang")
    request = sandboxes_pb2.SandboxGetTaskIdRequest(sandbox_id=sandbox.id)
    response = await server.control.SandboxGetTaskId(request)
    assert response.task_id == sandbox.task_id
    assert not response.HasField("task_result")
    await server.terminate(sandbox)
    response = await server.control.SandboxGetTaskId(request)
    assert response.task_id == sandbox.task_id
    assert response.HasField("task_result")


@pytest.mark.asyncio
async def test_a_second_terminate_does_nothing_and_tells_the_result(server: Harness) -> None:
    sandbox = await server.create("fail", "3")
    result = await server.wait(sandbox, 10)
    request = sandboxes_pb2.SandboxTerminateRequest(sandbox_id=sandbox.id)
    response = await server.control.SandboxTerminate(request)
    assert response.existing_result == result
    assert (await server.wait(sandbox)) == result


@pytest.mark.parametrize(
    ("end", "status", "exitcode"),
    [
        (TaskEnd(EndCause.EXITED, ExitStatus(code=0)), "GENERIC_STATUS_SUCCESS", 0),
        (TaskEnd(EndCause.EXITED, ExitStatus(code=3)), "GENERIC_STATUS_FAILURE", 3),
        (TaskEnd(EndCause.EXITED, ExitStatus(signal=15)), "GENERIC_STATUS_FAILURE", 143),
        (TaskEnd(EndCause.KILLED), "GENERIC_STATUS_TERMINATED", 137),
        (TaskEnd(EndCause.OUT_OF_MEMORY), "GENERIC_STATUS_KERNEL_OOM_KILL", 137),
        (TaskEnd(EndCause.LOST, detail="gone"), "GENERIC_STATUS_INTERNAL_FAILURE", 1),
    ],
)
def test_every_end_has_its_status(end: TaskEnd, status: str, exitcode: int) -> None:
    result = result_of(end, None)
    assert type(result).GenericStatus.Name(result.status) == status
    assert result.exitcode == exitcode


@pytest.mark.asyncio
async def test_there_are_no_tunnels(server: Harness) -> None:
    sandbox = await server.create()
    request = sandboxes_pb2.SandboxGetTunnelsRequest(sandbox_id=sandbox.id)
    assert not (await server.control.SandboxGetTunnels(request)).tunnels


@pytest.mark.asyncio
async def test_an_unknown_app_is_not_found(server: Harness) -> None:
    request = sandboxes_pb2.SandboxCreateRequest(
        app_id="ap-nope", definition=await server.definition()
    )
    with refused(Status.NOT_FOUND, "ap-nope"):
        await server.control.SandboxCreate(request)


@pytest.mark.asyncio
async def test_a_gpu_of_an_image_is_no_gpu_of_a_sandbox(server: Harness) -> None:
    # Clients send an empty gpu_config when none was asked for.
    await server.create(resources={"gpu_config": images_pb2.GPUConfig()})
