"""An engine is told what sandboxes are likely to come, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox import Faults, Rpcs
from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.engine import EngineUnavailable, TaskSpec
from pytest_sandbox.fakes import settle
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.server.rpc.auth import ListenerConfig

from .engines import GatedEngine
from .harness import Harness, refused, serve

ANOTHER = {"x-sandbox-another": "1"}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve(GatedEngine()) as harness:
        yield harness


async def prepare(server: Harness, *argv: str, **fields: Any) -> None:
    definition = await server.definition(*argv, **fields)
    request = pb.SandboxPrepareRequest(app_id=await server.app_id(), definition=definition)
    await ExtensionsStub(server.channel).SandboxPrepare(request)


@pytest.mark.asyncio
async def test_an_engine_is_told_what_is_likely_to_come(server: Harness) -> None:
    engine = server.engine
    assert isinstance(engine, GatedEngine)
    await prepare(server, "cat", workdir="/srv")
    created = await server.create("cat", workdir="/srv")
    assert engine.prepared == [replace(created.task.spec, groups=frozenset())]
    assert len(engine.tasks) == 1


@pytest.mark.asyncio
async def test_a_hint_is_not_recorded(server: Harness) -> None:
    rpcs = Rpcs(server.app.recorder)
    await prepare(server)
    assert "SandboxPrepare" not in [call.rpc for call in rpcs]


@pytest.mark.asyncio
async def test_what_could_not_be_created_is_refused(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "im-nope"):
        await prepare(server, image_id="im-nope")
    with refused(Status.NOT_FOUND, "Proxy 'x'"):
        await prepare(server, proxy_id="x")


@pytest.mark.asyncio
async def test_a_creation_tells_that_another_such_sandbox_is_likely_to_come(
    server: Harness,
) -> None:
    await server.create(workdir="/a")
    created = await server.create(workdir="/b", metadata=ANOTHER)
    await settle()
    assert server.engine.prepared == [replace(created.task.spec, groups=frozenset())]
    assert len(server.engine.tasks) == 2


@pytest.mark.asyncio
async def test_a_creation_in_a_network_tells_so_too(server: Harness) -> None:
    request = pb.SandboxCreateInNetworkRequest(membership=pb.SandboxMembership(network_id="n"))
    request.create.app_id = await server.app_id()
    request.create.definition.CopyFrom(await server.definition())
    create = ExtensionsStub(server.channel).SandboxCreateInNetwork
    await create(request, metadata=ANOTHER)
    await settle()
    assert server.engine.prepared == [replace(server.engine.tasks[0].spec, groups=frozenset())]


@pytest.mark.asyncio
async def test_an_answer_waits_for_no_hint_and_a_hint_for_the_answer() -> None:
    engine = SlowEngine()
    async with serve(engine) as server:
        faults = Faults(server.app.faults)
        faults.on("SandboxCreate").drop_response()
        key = {"x-idempotency-key": "one", **ANOTHER}
        with pytest.raises(StreamTerminatedError):
            await server.create(metadata=key)
        await settle()
        assert engine.prepared == []
        await server.create(metadata=key)
        await settle()
        assert len(engine.prepared) == 1
        await server.create(metadata=key)
        await settle()
        assert (len(engine.prepared), len(engine.tasks)) == (1, 1)
        engine.ready.set()


@pytest.mark.asyncio
async def test_who_may_give_no_hints_gives_none_by_a_creation_either() -> None:
    async with serve(listener=ListenerConfig("tcp")) as server:
        await server.create(metadata=ANOTHER)
        await settle()
        assert server.engine.prepared == []


@pytest.mark.asyncio
async def test_a_creation_that_failed_tells_nothing(server: Harness) -> None:
    with refused(Status.NOT_FOUND, "im-nope"):
        await server.create(image_id="im-nope", metadata=ANOTHER)
    await settle()
    assert server.engine.prepared == []


@pytest.mark.asyncio
async def test_what_a_creation_tells_is_not_recorded(server: Harness) -> None:
    rpcs = Rpcs(server.app.recorder)
    await server.create(metadata={"x-seen": "1", **ANOTHER})
    assert rpcs.of("SandboxCreate").one().metadata.keys() & {"x-seen", *ANOTHER} == {"x-seen"}


@pytest.mark.asyncio
async def test_the_sandbox_that_was_told_of_is_the_next_one() -> None:
    engine = LocalEngine()
    try:
        async with serve(engine) as server:
            pool = engine.factory.pool
            await server.create(workdir="/srv", metadata=ANOTHER)
            await settle()
            (ahead,) = pool.tasks
            second = await server.create(workdir="/srv")
            assert pool.tasks == []
            assert server.app.state.sandboxes.get(second.id).task is await ahead
    except EngineUnavailable as error:
        pytest.skip(f"no local engine here: {error.reason}")


class SlowEngine(GatedEngine):
    """Takes hints, and is not done with any until `ready` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = asyncio.Event()

    async def prepare(self, spec: TaskSpec) -> None:
        await super().prepare(spec)
        await self.ready.wait()
