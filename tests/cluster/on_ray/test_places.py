"""What sandboxes ask a cluster of Ray for, and where they are."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_sandbox.engine import (
    Gpus,
    Limits,
    Requests,
    StoreFull,
    TaskSpec,
    Unsupported,
    VolumeMount,
)

from .clusters import TIMEOUT, create, run

if TYPE_CHECKING:
    from pytest_sandbox.cluster import Node
    from pytest_sandbox.cluster.task import ClusterTask

    from .clusters import Started

pytest.importorskip("ray", reason="needs the package ray")
pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # Ray's own.
    pytest.mark.filterwarnings(
        "ignore:.*ray_client_server:pytest.PytestUnraisableExceptionWarning"
    ),
]


async def test_sandboxes_are_spread_and_have_what_they_ask_for(started: Started) -> None:
    assert started.engine.info.mode.startswith("2 machines")
    tasks = [await create(started.engine, TaskSpec()) for _ in range(2)]
    assert {task.node for task in tasks} == set(started.nodes)
    with_gpu = await create(started.engine, TaskSpec(gpus=Gpus("H100")))
    assert with_gpu.node is started.node_with("GPU")
    assert b"H100" in await run(with_gpu, "nvidia-smi", "-L")
    with_limits = await create(started.engine, TaskSpec(limits=Limits(cpus=1.5)))
    for task in (*tasks, with_gpu, with_limits):
        await task.kill()


async def test_what_no_node_has_is_refused_by_its_name(started: Started) -> None:
    with pytest.raises(Unsupported, match="no node of the Ray cluster has 1 GPU, B200"):
        await started.engine.create(TaskSpec(gpus=Gpus("B200")))


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (Requests(cpus=3.0), "has 3 CPU; the most that a node has is 2 CPU on"),
        (Requests(memory=2**50), "has 1073741824 MiB of memory; the most that a node has is"),
    ],
)
async def test_a_request_that_no_node_can_ever_have_is_refused(
    started: Started, requests: Requests, words: str
) -> None:
    with pytest.raises(StoreFull, match=words):
        await started.engine.create(TaskSpec(requests=requests))


async def test_a_sandbox_that_asks_for_nothing_asks_ray_for_nothing(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started.placer, "_ray", None)
    monkeypatch.setattr(started.placer, "_calls", None)
    task = await create(started.engine, TaskSpec(limits=Limits(processes=100)))
    await run(task, "true")
    await task.kill()


async def test_a_sandbox_is_replaced_in_its_place_although_there_is_no_other(
    started: Started,
) -> None:
    whole = TaskSpec(requests=Requests(cpus=2.0))
    first, other = [await create(started.engine, whole) for _ in range(2)]
    await run(first, "sh", "-c", "echo made > /srv/file")
    spec = replace(whole, image=await first.snapshot())
    second = cast(
        "ClusterTask", await asyncio.wait_for(first.create_replacement(spec), TIMEOUT / 2)
    )
    await first.kill()
    assert second.node is first.node
    third = asyncio.ensure_future(create(started.engine, whole))
    assert await run(second, "cat", "/srv/file") == b"made\n"
    assert not third.done()
    await second.kill()
    for task in (await asyncio.wait_for(third, TIMEOUT), other):
        await task.kill()


async def test_a_sandbox_that_has_to_be_on_a_node_is_placed_there(started: Started) -> None:
    spec = TaskSpec(volumes=(VolumeMount("placed", "/v"),))
    first = await create(started.engine, spec)
    for _ in range(4):
        task = await create(started.engine, replace(spec, requests=Requests(cpus=1.0)))
        assert task.node is first.node
        await task.kill()
    both = [await create(started.engine, TaskSpec(requests=Requests(cpus=1.0))) for _ in range(2)]
    with pytest.raises(StoreFull, match=re.escape(f"{first.node.name} has not 3 CPU")):
        await started.engine.create(replace(spec, requests=Requests(cpus=3.0)))
    for task in (*both, first):
        await task.kill()


async def test_a_snapshot_is_used_on_both_nodes(started: Started) -> None:
    task = await create(started.engine, TaskSpec())
    await run(task, "sh", "-c", "echo made > /srv/file")
    snapshot = await task.snapshot(end=True)
    copies = [await create(started.engine, TaskSpec(image=snapshot)) for _ in range(2)]
    assert {copy.node for copy in copies} == set(started.nodes)
    for copy in copies:
        assert await run(copy, "cat", "/srv/file") == b"made\n"
        await copy.kill()


async def test_two_hundred_sandboxes_over_both(started: Started) -> None:
    room = asyncio.Semaphore(10)

    async def life() -> Node:
        async with room:
            task = await create(started.engine, TaskSpec())
            assert await run(task, "echo", "hi") == b"hi\n"
            await task.kill()
            return task.node

    nodes = await asyncio.gather(*(life() for _ in range(200)))
    assert {nodes.count(node) for node in started.nodes} <= set(range(80, 121))
