"""GPUs that do not exist."""

import re

import pytest
import pytest_asyncio

from pytest_sandbox._shared.gpus.kinds import KINDS
from pytest_sandbox.engine import Gpus, ProcessSpec, SpawnFailed, Task, TaskSpec, Unsupported
from pytest_sandbox.fakes import FakeEngine

from .conftest import run

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def some() -> FakeEngine:
    engine = FakeEngine(gpus=["H100", "H100", "A100-80GB", "Acme 1"])
    await engine.start()
    return engine


async def names(task: Task) -> list[str]:
    done = await run(task, "nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return done.stdout.decode().splitlines()


async def with_gpus(engine: FakeEngine, kind: str = "", count: int = 1) -> Task:
    return await engine.create(TaskSpec(gpus=Gpus(kind, count)))


async def test_a_sandbox_sees_those_that_it_has(engine: FakeEngine) -> None:
    task = await with_gpus(engine, "H100", 2)
    assert (await run(task, "nvidia-smi", "-L")).stdout == (
        b"GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-00000000-0000-4000-8000-000000000000)\n"
        b"GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-00000000-0000-4000-8000-000000000001)\n"
    )
    told = await run(task, "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; echo $NVIDIA_VISIBLE_DEVICES")
    cuda, nvidia = told.stdout.decode().splitlines()
    assert cuda == "0,1"
    assert nvidia.startswith("GPU-00000000-0000-4000-8000-000000000000,GPU-")


async def test_a_sandbox_that_asks_for_none_has_none(some: FakeEngine, task: Task) -> None:
    for each in (task, await some.create(TaskSpec())):
        done = await run(each, "sh", "-c", "nvidia-smi; echo $? ${CUDA_VISIBLE_DEVICES-unset}")
        assert done.stdout == b"9 unset\n"
        assert b"this sandbox has no GPU" in done.stderr


async def test_its_own_environment_wins(engine: FakeEngine) -> None:
    spec = TaskSpec(gpus=Gpus(count=2), env={"CUDA_VISIBLE_DEVICES": "1"})
    done = await run(await engine.create(spec), "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert done.stdout == b"1\n"


@pytest.mark.parametrize("kind", [*KINDS, "h100", "H-100", "NVIDIA L4", ""])
async def test_every_kind_of_modal_can_be_had(engine: FakeEngine, kind: str) -> None:
    one, other = await with_gpus(engine, kind), await with_gpus(engine, kind, 8)
    assert len(await names(one)) == 1
    assert await names(other) == (await names(one)) * 8


async def test_what_is_asked_is_shown(engine: FakeEngine) -> None:
    task = await with_gpus(engine, "L4")
    query = "--query-gpu=index, memory.total, memory.used,utilization.gpu,count"
    assert (await run(task, "nvidia-smi", query, "--format=csv")).stdout == (
        b"index, memory.total [MiB], memory.used [MiB], utilization.gpu [%], count\n"
        b"0, 23034 MiB, 0 MiB, 0 %, 1\n"
    )
    bare = await run(task, "nvidia-smi", query, "--format=csv,noheader,nounits")
    assert bare.stdout == b"0, 23034, 0, 0, 1\n"
    watched = "--query-gpu=pci.bus_id,temperature.gpu,power.draw,power.limit,pstate"
    assert (await run(task, "nvidia-smi", watched, "--format=csv")).stdout == (
        b"pci.bus_id, temperature.gpu, power.draw [W], power.limit [W], pstate\n"
        b"00000000:01:00.0, 30, 25.00 W, [N/A], P0\n"
    )
    everything = (await run(task, "nvidia-smi", "-q")).stdout.decode()
    assert re.search(r"Attached GPUs +: 1\nGPU 00000000:01:00.0\n.* Name +: NVIDIA L4", everything)
    assert re.search(r"GPU Current Temp +: 30 C", everything)
    shown = (await run(task, "nvidia-smi")).stdout.decode()
    assert "NVIDIA L4" in shown
    assert len({len(line) for line in shown.splitlines()}) == 1


@pytest.mark.parametrize("option", ["--query-gpu=serial", "--format=xml --query-gpu=name", "dmon"])
async def test_what_is_not_known_is_named(engine: FakeEngine, option: str) -> None:
    task = await with_gpus(engine)
    assert (await run(task, "nvidia-smi", *option.split())).status.code == 2
    assert "not supported by the engine in memory" in engine.problems[0]


async def test_those_that_were_given_are_had_by_one_at_a_time(some: FakeEngine) -> None:
    one = await with_gpus(some, "H100")
    assert await names(one) == ["NVIDIA H100 80GB HBM3"]
    with pytest.raises(Unsupported, match="2 GPUs of kind 'H100': other sandboxes have all but 1"):
        await with_gpus(some, "H100", 2)
    rest = await with_gpus(some, count=3)
    assert await names(rest) == ["NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "Acme 1"]
    await one.kill()
    await rest.kill()
    assert len(await names(await with_gpus(some, "h100", 2))) == 2


@pytest.mark.parametrize(
    ("kind", "found"), [("A100", 1), ("A100-80GB", 1), ("acme", 1), ("A100-40GB", 0), ("H10", 0)]
)
async def test_a_kind_is_a_part_of_the_name(some: FakeEngine, kind: str, found: int) -> None:
    if found:
        assert len(await names(await with_gpus(some, kind))) == found
    else:
        with pytest.raises(Unsupported, match=f"1 GPUs of kind '{kind}': there are NVIDIA H100"):
            await with_gpus(some, kind)


async def test_a_sandbox_that_could_not_be_made_has_none(some: FakeEngine) -> None:
    spec = TaskSpec(main=ProcessSpec(("missing",)), gpus=Gpus(count=4))
    with pytest.raises(SpawnFailed):
        await some.create(spec)
    assert len(await names(await with_gpus(some, count=4))) == 4


async def test_too_many_are_refused(engine: FakeEngine, some: FakeEngine) -> None:
    with pytest.raises(Unsupported, match="9 GPUs of kind 'H100': a sandbox can have 8 at most"):
        await with_gpus(engine, "H100", 9)
    with pytest.raises(Unsupported, match="5 GPUs: there are"):
        await with_gpus(some, count=5)
    with pytest.raises(Unsupported, match="1 GPUs of kind 'Z80': there are T4, L4"):
        await with_gpus(engine, "Z80")
