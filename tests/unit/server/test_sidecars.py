"""Sidecars on the wire: names, ends, and what is whose."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox._proto import router_pb2 as pb
from pytest_sandbox._proto import sandboxes_pb2, sandboxes_v2_pb2
from pytest_sandbox.engine import Capability, Membership, Task, TaskLost, TaskSpec
from pytest_sandbox.server.model import sidecars

from .engines import GatedEngine, GatedTask
from .harness import Created, Harness, refused, serve

pytestmark = pytest.mark.asyncio

BLOCKED = sandboxes_pb2.NetworkAccess(network_access_type=sandboxes_pb2.NetworkAccess.BLOCKED)
TERMINATED, IDLE_TIMEOUT = 3, 7


async def beside(
    server: Harness,
    sandbox: Created,
    name: str = "worker",
    *argv: str,
    metadata: Mapping[str, str] | None = None,
    **fields: Any,
) -> str:
    """The id of a new sidecar, by the control plane."""
    request = sandboxes_v2_pb2.SandboxContainerCreateV2Request(
        sandbox_id=sandbox.id,
        container_name=name,
        definition=await server.definition(*argv, **fields),
    )
    response = await server.control.SandboxContainerCreateV2(request, metadata=metadata)
    assert response.container_name == name
    return response.container_id


async def by_router(server: Harness, sandbox: Created, name: str, *args: str) -> str:
    """The id of a new sidecar, by the command router."""
    request = pb.TaskContainerCreateRequest(
        task_id=sandbox.task_id,
        container_name=name,
        image_id=await server.image_id(),
        args=args,
        env={"A": "b"},
    )
    response = await server.router.TaskContainerCreate(request, metadata=sandbox.auth)
    return response.container_id


async def names(server: Harness, sandbox: Created, *, ended: bool = False) -> list[str]:
    request = pb.TaskContainerListRequest(task_id=sandbox.task_id, include_terminated=ended)
    response = await server.router.TaskContainerList(request, metadata=sandbox.auth)
    return [each.container_name for each in response.containers]


async def ended(server: Harness, sandbox: Created, container: str, timeout: float = 0) -> int:
    """The status of the result of a sidecar; 0 if it runs."""
    request = pb.TaskContainerWaitRequest(
        task_id=sandbox.task_id, container_id=container, timeout=timeout
    )
    response = await server.router.TaskContainerWait(request, metadata=sandbox.auth)
    return int(response.result.status)


async def terminate(server: Harness, sandbox: Created, container: str) -> None:
    request = pb.TaskContainerTerminateRequest(task_id=sandbox.task_id, container_id=container)
    await server.router.TaskContainerTerminate(request, metadata=sandbox.auth)


async def test_both_creations_make_the_same(server: Harness) -> None:
    sandbox = await server.create("hang")
    first = await beside(server, sandbox, "one", "hang")
    second = await by_router(server, sandbox, "two", "hang")

    assert await names(server, sandbox) == ["one", "two"]
    exec_id = await server.exec(sandbox, "sh", "-c", "echo $A", container_id=second)
    assert await server.output(sandbox, exec_id) == b"b\n"
    network = f"sidecars of {sandbox.id}"
    assert [task.spec.membership for task in server.engine.tasks] == [
        Membership(network, aliases) for aliases in (("main",), ("one",), ("two",))
    ]
    assert await ended(server, sandbox, first) == 0


async def test_a_repeated_creation_creates_once(server: Harness) -> None:
    sandbox = await server.create("hang")
    key = {"x-idempotency-key": "k"}

    ids = [await beside(server, sandbox, metadata=key) for _ in range(2)]

    assert ids[0] == ids[1]
    assert len(server.engine.tasks) == 2


async def test_of_two_creations_with_one_name_one_fails(server: Harness) -> None:
    sandbox = await server.create("hang")
    made = await asyncio.gather(
        *(beside(server, sandbox) for _ in range(2)), return_exceptions=True
    )
    (error,) = [each for each in made if isinstance(each, GRPCError)]
    assert error.status is Status.ALREADY_EXISTS
    assert await names(server, sandbox) == ["worker"]


@pytest.mark.parametrize("name", ["", "main", "a b", "localhost", "10.0.0.1"])
async def test_a_name_that_none_can_have(server: Harness, name: str) -> None:
    sandbox = await server.create("hang")
    with refused(Status.INVALID_ARGUMENT):
        await beside(server, sandbox, name)


async def test_sidecars_end_with_their_sandbox_and_a_name_is_free_after_an_end(
    server: Harness,
) -> None:
    sandbox = await server.create("hang")
    first = await beside(server, sandbox, "one", "hang")
    await terminate(server, sandbox, first)
    assert await ended(server, sandbox, first) == TERMINATED
    assert await names(server, sandbox) == []
    second = await beside(server, sandbox, "one", "hang")
    waiting = asyncio.ensure_future(ended(server, sandbox, second, 10))
    await asyncio.sleep(0)

    await server.terminate(sandbox)

    assert await waiting == TERMINATED
    assert await names(server, sandbox, ended=True) == ["one", "one"]
    assert all(task.poll() is not None for task in server.engine.tasks)
    with refused(Status.NOT_FOUND, "has ended"):
        await server.exec(sandbox, "true", container_id=second)
    with refused(Status.NOT_FOUND, "has ended"):
        await beside(server, sandbox, "late")


async def test_a_sidecar_that_is_made_while_its_sandbox_ends(server: Harness) -> None:
    sandbox = await server.create("hang")
    server.engine.gate.clear()
    making = asyncio.ensure_future(beside(server, sandbox))
    await server.engine.waiting.wait()
    await server.terminate(sandbox)
    server.engine.gate.set()
    with pytest.raises(GRPCError):
        await making
    assert all(task.poll() is not None for task in server.engine.tasks)


async def test_a_sidecar_of_another_sandbox_is_not_there(server: Harness) -> None:
    sandbox, other = await server.create("hang"), await server.create("hang")
    container = await beside(server, sandbox)
    with refused(Status.NOT_FOUND, container):
        await server.exec(other, "true", container_id=container)
    with refused(Status.NOT_FOUND, container):
        await terminate(server, other, container)
    request = pb.TaskContainerListRequest(task_id=sandbox.task_id)
    with refused(Status.PERMISSION_DENIED):
        await server.router.TaskContainerList(request, metadata=other.auth)


async def test_a_sidecar_is_no_sandbox(server: Harness) -> None:
    sandbox = await server.create("hang")
    container = await beside(server, sandbox)
    listed = await server.control.SandboxList(
        sandboxes_pb2.SandboxListRequest(app_id=await server.app_id())
    )
    assert [each.id for each in listed.sandboxes] == [sandbox.id]
    with refused(Status.NOT_FOUND, container):
        await server.control.SandboxWait(sandboxes_pb2.SandboxWaitRequest(sandbox_id=container))


async def test_work_in_a_sidecar_keeps_its_sandbox_from_being_idle(server: Harness) -> None:
    sandbox = await server.create("hang", idle_timeout_secs=10)
    container = await beside(server, sandbox, "worker", "hang")

    exec_id = await server.exec(sandbox, "hang", container_id=container)
    await server.clock.advance(60)
    assert (await server.wait(sandbox)).status == 0
    await server.engine.tasks[-1].kill()
    assert (await server.code(sandbox, exec_id)).signal == 9
    await server.clock.advance(11)
    assert (await server.wait(sandbox)).status == IDLE_TIMEOUT


async def test_a_network_of_nothing_but_sidecars(server: Harness) -> None:
    nothing = sandboxes_pb2.NetworkAccess(network_access_type=sandboxes_pb2.NetworkAccess.ALLOWLIST)
    sandbox = await server.create("hang", network_access=nothing)
    await beside(server, sandbox, network_access=nothing)
    blocked = await server.create("hang", network_access=BLOCKED)
    for main, access in ((blocked, nothing), (sandbox, BLOCKED)):
        with refused(Status.INVALID_ARGUMENT, "block_network"):
            await beside(server, main, "second", network_access=access)


async def test_an_engine_whose_sandboxes_cannot_see_each_other() -> None:
    engine = GatedEngine(capabilities=frozenset(Capability) - {Capability.SANDBOX_NETWORK})
    async with serve(engine) as server:
        sandbox = await server.create("hang")
        with refused(Status.UNIMPLEMENTED, "_experimental_sidecars"):
            await beside(server, sandbox)


async def test_a_sandbox_has_so_many_sidecars_at_a_time(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecars, "MOST_SIDECARS", 2)
    sandbox = await server.create("hang")
    first = await beside(server, sandbox, "one", "hang")
    await beside(server, sandbox, "two", "hang")
    with refused(Status.RESOURCE_EXHAUSTED, "2 sidecars"):
        await beside(server, sandbox, "three", "hang")
    await terminate(server, sandbox, first)
    await beside(server, sandbox, "three", "hang")


async def test_none_is_made_on_a_machine_that_is_gone_and_clients_need_not_try_again() -> None:
    class Lost(GatedTask):
        async def create_sidecar(self, spec: TaskSpec) -> Task:
            raise TaskLost("the engine on gpu-box is gone")

    async with serve() as server:
        sandbox = await server.create()
        sandbox.task.__class__ = Lost
        with refused(Status.NOT_FOUND, "the engine on gpu-box is gone"):
            await beside(server, sandbox)
