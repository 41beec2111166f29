"""GPUs that a sandbox is to have."""

from dataclasses import replace

import pytest
from grpclib import Status

from pytest_sandbox._proto import images_pb2, sandboxes_pb2
from pytest_sandbox._proto.inspector_pb2 import InspectorEngineRequest as EngineRequest
from pytest_sandbox.engine import Capability, EngineInfo, Gpus, SupportsChange
from pytest_sandbox.fakes import FakeEngine

from .engines import GatedEngine
from .harness import Harness, refused, serve

pytestmark = pytest.mark.asyncio


def resources(kind: str, count: int) -> sandboxes_pb2.Resources:
    return sandboxes_pb2.Resources(gpu_config=images_pb2.GPUConfig(gpu_type=kind, count=count))


@pytest.mark.parametrize(
    ("kind", "count", "asked"),
    [
        ("H100", 1, Gpus("H100", 1)),
        ("A100-80GB", 2, Gpus("A100-80GB", 2)),
        ("ANY", 1, Gpus("", 1)),
        ("H100,A100:4,any", 2, Gpus("H100", 2, (Gpus("A100", 4), Gpus("", 1)))),
        ("", 0, None),  # what clients send for none
    ],
)
async def test_the_engine_is_asked_for_them(
    server: Harness, kind: str, count: int, asked: Gpus | None
) -> None:
    sandbox = await server.create(resources=resources(kind, count))
    assert sandbox.task.spec.gpus == asked


@pytest.mark.parametrize(
    ("kind", "count", "words"),
    [("H100", 0, "gpu='H100:0'"), ("", 1, "gpu: name a kind"), ("H100,", 1, "names no kind")],
)
async def test_what_makes_no_sense_is_refused(
    server: Harness, kind: str, count: int, words: str
) -> None:
    with refused(Status.INVALID_ARGUMENT, words):
        await server.create(resources=resources(kind, count))


async def test_an_engine_without_gpus_says_so() -> None:
    engine = GatedEngine(capabilities=frozenset(Capability) - {Capability.GPU})
    async with serve(engine) as server:
        with refused(Status.UNIMPLEMENTED, "gpu='H100:2'", "'fake' has no GPUs"):
            await server.create(resources=resources("H100", 2))
        with refused(Status.UNIMPLEMENTED, "the GPUs of a lease: the engine 'fake' has no GPUs"):
            await server.create(resources=resources("lease:GPU-1@0+23034", 1))


class Changing(FakeEngine, SupportsChange):
    """An engine that has no GPUs until a test says so."""

    gpus = False
    _info: EngineInfo

    async def start(self) -> EngineInfo:
        self._info = await super().start()
        return self.info

    @property
    def info(self) -> EngineInfo:
        without = self._info.capabilities - {Capability.GPU}
        return self._info if self.gpus else replace(self._info, capabilities=without)


async def test_gpus_that_came_while_the_engine_ran_can_be_had() -> None:
    engine = Changing()
    async with serve(engine) as server:
        with refused(Status.UNIMPLEMENTED, "has no GPUs"):
            await server.create(resources=resources("H100", 1))
        assert "gpu" not in (await server.inspector.Engine(EngineRequest())).capabilities
        engine.gpus = True
        await server.create(resources=resources("H100", 1))
        assert "gpu" in (await server.inspector.Engine(EngineRequest())).capabilities
