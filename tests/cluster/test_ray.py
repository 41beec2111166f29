"""The engine on a real cluster of Ray: two nodes on this machine, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.cluster import ClusterEngine, Node
from pytest_sandbox.cluster.on_ray import placer as placer_module
from pytest_sandbox.cluster.on_ray.placer import RayPlacer
from pytest_sandbox.engine import (
    EndCause,
    Engine,
    EngineError,
    EngineInfo,
    Gpus,
    Limits,
    ProcessSpec,
    TaskSpec,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from pytest_sandbox.cluster.task import ClusterTask

ray = pytest.importorskip("ray", reason="needs the package ray")
pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose second node says that it has a GPU."""
    from ray.cluster_utils import Cluster

    made: Any = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    made.add_node(num_cpus=2, num_gpus=1, resources={"accelerator_type:H100": 1})
    made.wait_for_nodes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", made.address)
        patch.setattr(placer_module, "LOOK", 0.05)
        yield made
    made.shutdown()


@dataclass
class Started:
    engine: ClusterEngine
    placer: RayPlacer
    info: EngineInfo

    @property
    def nodes(self) -> list[Node]:
        return self.engine._nodes

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the placer sees when it looks next."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline
            await self.placer._look()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(cluster: Any) -> AsyncIterator[Started]:
    placer = RayPlacer("ray", {"gpus": "simulated"})
    engine = ClusterEngine(placer)
    info = await engine.start()
    yield Started(engine, placer, info)
    await engine.close()


async def create(engine: Engine, spec: TaskSpec) -> ClusterTask:
    return cast("ClusterTask", await engine.create(spec))


async def run(task: ClusterTask, *argv: str) -> bytes:
    process = await task.exec(ProcessSpec(argv))
    output = b"".join([part async for part in process.stdout.follow()])
    assert (await process.wait()).code == 0
    return output


async def test_sandboxes_are_spread_and_have_what_they_ask_for(started: Started) -> None:
    assert started.info.mode.startswith("2 machines")
    tasks = [await create(started.engine, TaskSpec()) for _ in range(2)]
    assert {task.node for task in tasks} == set(started.nodes)
    with_gpu = await create(started.engine, TaskSpec(gpus=Gpus("H100")))
    assert with_gpu.node is started.nodes[1]
    assert b"H100" in await run(with_gpu, "nvidia-smi", "-L")
    with_limits = await create(started.engine, TaskSpec(limits=Limits(cpus=1.5)))
    for task in (*tasks, with_gpu, with_limits):
        await task.kill()


async def test_what_no_node_has_is_refused_by_its_name(started: Started) -> None:
    with pytest.raises(Unsupported, match="no node of the Ray cluster has 1 GPU, B200"):
        await started.engine.create(TaskSpec(gpus=Gpus("B200")))


async def test_a_gpu_that_others_use_is_waited_for(started: Started) -> None:
    first = await create(started.engine, TaskSpec(gpus=Gpus("H100")))
    second = asyncio.ensure_future(create(started.engine, TaskSpec(gpus=Gpus("H100"))))
    await run(first, "true")
    assert not second.done()
    await first.kill()
    await (await asyncio.wait_for(second, TIMEOUT)).kill()


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


async def test_tests_run_on_the_cluster_with_many_workers(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(12))\n"
        "def test_it(sandbox, number):\n"
        "    assert sandbox.run('echo', str(number)).stdout == f'{number}\\n'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "4"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--sandbox-engine=ray"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout


async def test_a_node_that_dies_takes_its_sandboxes_and_no_others(
    started: Started, cluster: Any
) -> None:
    added = cluster.add_node(num_cpus=2, resources={"added": 1})
    await started.until(lambda: len(started.nodes) == 3)
    tasks = [await create(started.engine, TaskSpec()) for _ in range(6)]
    dying = [task for task in tasks if task.node is started.nodes[2]]
    assert dying
    running = await dying[0].exec(ProcessSpec(("sleep", "1000")))
    cluster.remove_node(added, allow_graceful=False)
    end = await asyncio.wait_for(dying[0].wait(), TIMEOUT)
    assert end.cause is EndCause.LOST
    await asyncio.wait_for(running.wait(), TIMEOUT)
    with pytest.raises(EngineError, match="is gone: the connection was lost"):
        await dying[0].exec(ProcessSpec(("true",)))
    await started.until(lambda: len(started.nodes) == 2)
    for task in tasks:
        if task not in dying:
            assert await run(task, "echo", "lives") == b"lives\n"
            await task.kill()
    assert (await create(started.engine, TaskSpec())).node in started.nodes


def listener_at(port: int) -> int:
    """The process that listens on a port."""
    found = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True
    )
    return int(found.stdout.partition("pid=")[2].partition(",")[0])


@pytest.mark.parametrize("which", ["its actor", "its process"])
async def test_an_engine_that_was_killed_is_started_again(started: Started, which: str) -> None:
    before = started.nodes[0]
    node_id = next(key for key, node in started.placer._nodes.items() if node is before)
    task = await create(started.engine, TaskSpec())
    while task.node is not before:
        task = await create(started.engine, TaskSpec())
    if which == "its actor":
        ray.kill(started.placer._actors[node_id])
    else:
        address = ray.get(started.placer._actors[node_id].address.remote())
        port = RemoteAddress.parse(address).port
        os.kill(listener_at(port), signal.SIGKILL)
    assert (await asyncio.wait_for(task.wait(), TIMEOUT)).cause is EndCause.LOST
    await started.until(lambda: len(started.nodes) == 2)
    assert before not in started.nodes
