"""An engine is told what sandboxes are likely to come, and nobody else notices."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox import Rpcs
from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub

from .engines import GatedEngine
from .harness import Harness, refused, serve


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
