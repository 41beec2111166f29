"""The engine on a real cluster of Ray: two nodes on this machine, and what becomes of them."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.cluster import ClusterEngine, Node
from pytest_sandbox.cluster.on_ray import groups as groups_module
from pytest_sandbox.cluster.on_ray import nodes as nodes_module
from pytest_sandbox.cluster.on_ray import ray_calls
from pytest_sandbox.cluster.on_ray.placer import RayPlacer
from pytest_sandbox.engine import (
    EndCause,
    Engine,
    EngineInfo,
    EngineUnavailable,
    Gpus,
    Limits,
    ProcessSpec,
    Requests,
    StoreFull,
    TaskLost,
    TaskSpec,
    Unsupported,
    VolumeMount,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from pytest_sandbox.cluster.task import ClusterTask

    from .conftest import Outcome

ray = pytest.importorskip("ray", reason="needs the package ray")
Cluster: Any = importlib.import_module("ray.cluster_utils").Cluster
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # Ray's own.
    pytest.mark.filterwarnings(
        "ignore:.*ray_client_server:pytest.PytestUnraisableExceptionWarning"
    ),
]
with socket.create_server(("127.0.0.1", 0)) as _free:
    CLIENT_SERVER = _free.getsockname()[1]
TIMEOUT = 60.0
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose second node says that it has a GPU."""
    head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": CLIENT_SERVER}
    made: Any = Cluster(initialize_head=True, head_node_args=head)
    with pytest.MonkeyPatch.context() as patch:
        made.add_node(num_cpus=2, num_gpus=1, resources={"accelerator_type:H100": 1})
        made.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", made.address)
        patch.setattr(nodes_module, "LOOK", 0.05)
        patch.setattr(nodes_module, "START", TIMEOUT)
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

    def node_with(self, resource: str) -> Node:
        """The only node that Ray says has something."""
        nodes = self.placer.nodes
        (found,) = [nodes.engines[i] for i, total in nodes.totals.items() if total.get(resource)]
        return found

    def id_of(self, node: Node) -> str:
        """Ray's id of a node."""
        return next(key for key, each in self.placer.nodes.engines.items() if each is node)

    def engine_process(self, node: Node) -> int:
        """The process that serves the engine of a node."""
        address = ray.get(self.placer.nodes.actors[self.id_of(node)].address.remote())
        port = RemoteAddress.parse(address).port
        found = subprocess.run(
            ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True
        )
        return int(found.stdout.partition("pid=")[2].partition(",")[0])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the placer sees when it looks next."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline
            await self.placer.nodes.look()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(cluster: Any, counted_gpus: None) -> AsyncIterator[Started]:
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


async def test_sandboxes_are_where_there_is_what_they_request(started: Started) -> None:
    whole = TaskSpec(requests=Requests(cpus=2.0, memory=64 * MEBIBYTE))
    both = [await create(started.engine, whole) for _ in range(2)]
    assert {task.node for task in both} == set(started.nodes)
    third = asyncio.ensure_future(create(started.engine, whole))
    await (await create(started.engine, TaskSpec())).kill()  # which waits for nothing
    assert not third.done()
    await both[0].kill()
    freed = await asyncio.wait_for(third, TIMEOUT)
    assert freed.node is both[0].node
    await freed.kill()
    await both[1].kill()


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


async def test_many_that_wait_are_not_in_the_way_of_what_is_given_back(started: Started) -> None:
    async def life() -> None:
        task = await create(started.engine, TaskSpec(requests=Requests(cpus=2.0)))
        await task.kill()

    await asyncio.wait_for(asyncio.gather(*(life() for _ in range(16))), TIMEOUT)


def groups() -> dict[str, str]:
    """The placement groups that there were on the cluster, and their states."""
    return {key: each["state"] for key, each in ray.util.placement_group_table().items()}


SUITE = """
import pytest
@pytest.mark.parametrize("number", range(20))
def test_it(sandbox_factory, number):
    sandbox_factory(cpu=1, memory=64).run("true")
"""


async def test_a_suite_of_equal_tests_asks_ray_for_few_groups(
    started: Started, cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    before = groups()
    (tmp_path / "test_it.py").write_text(SUITE)
    assert "20 passed" in await outcome(cluster.address)
    new = {key: state for key, state in groups().items() if key not in before}
    assert 1 <= len(new) <= 4  # of the next one while the one before it ends; and a slow machine
    assert set(new.values()) == {"REMOVED"}


async def test_sandboxes_of_two_runs_get_their_turn(
    started: Started,
    cluster: Any,
    tmp_path: Path,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one run has all that there is, in one sandbox after another."""
    monkeypatch.setattr(groups_module, "LIFE", 1.0)
    whole = TaskSpec(requests=Requests(cpus=2.0))
    over = False

    async def suite() -> None:
        while not over:
            task = await create(started.engine, whole)
            await run(task, "sleep", "0.1")
            await task.kill()

    suites = [asyncio.ensure_future(suite()) for _ in started.nodes]
    try:
        (tmp_path / "test_it.py").write_text(SUITE.replace("20", "2").replace("cpu=1", "cpu=2"))
        assert "2 passed" in await outcome(cluster.address)
    finally:
        over = True
        await asyncio.gather(*suites)


async def test_a_sandbox_waits_only_so_long(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TaskSpec(requests=Requests(cpus=2.0))
    both = [await create(started.engine, whole) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(groups_module, "WAIT", 0.2)
        reason = r"2 CPU: others used them for 0\.2 s; run fewer workers"
        with pytest.raises(StoreFull, match=reason):
            await started.engine.create(whole)
    for task in both:
        await task.kill()
    await (await create(started.engine, whole)).kill()  # the one that gave up uses nothing


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


async def test_tests_run_on_the_cluster_with_many_workers(
    cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(12))\n"
        "def test_it(sandbox, number):\n"
        "    assert sandbox.run('echo', str(number)).stdout == f'{number}\\n'\n"
    )
    assert "12 passed" in await outcome(cluster.address, "-n", "4")


async def test_simulated_gpus_are_not_counted_by_ray(
    cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.gpu('A100-40GB', count=4)\n"
        "def test_it(sandbox, gpu):\n"
        "    assert sandbox.run('nvidia-smi', '-L').stdout.count('A100') == 4\n"
    )
    assert "1 passed" in await outcome(cluster.address, "--gpu=fake")


async def test_what_a_worker_that_crashed_had_is_given_back(
    cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    # Each takes a node, and the node of the first one is needed by the others.
    (tmp_path / "test_it.py").write_text(
        "import os, pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "@pytest.mark.sandbox(cpu=2)\n"
        "def test_it(sandbox, number):\n"
        "    if number == 0:\n"
        "        os._exit(1)\n"
        "    sandbox.run('true')\n"
    )
    text = await outcome(cluster.address, "-n", "2")
    assert "crashed while running 'test_it.py::test_it[0]'" in text
    assert "1 failed, 3 passed" in text


async def test_a_cluster_is_reached_through_its_client_server(
    cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_nothing(sandbox): sandbox.run('true')\n"
        "def test_cpu(sandbox_factory): sandbox_factory(cpu=1).run('true')\n"
    )
    address = f"ray://127.0.0.1:{CLIENT_SERVER}"
    assert "2 passed" in await outcome(cluster.address, engine=address)


TEST_THAT_KILLS_ITS_RUN = """
import os, signal
from pathlib import Path

def test_it(sandbox_factory):
    sandbox_factory(cpu=1).run("true")
    sandbox_factory(cpu=1, memory=64).terminate(wait=True)  # what it had is kept
    for thread in Path("/proc/self/task").iterdir():
        for child in (thread / "children").read_text().split():
            os.kill(int(child), signal.SIGKILL)  # the engine process is one of these
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_what_a_run_had_is_given_back_although_it_was_killed(
    started: Started, cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    before = groups()
    (tmp_path / "test_it.py").write_text(TEST_THAT_KILLS_ITS_RUN)
    assert "passed" not in await outcome(cluster.address)
    deadline = time.monotonic() + TIMEOUT
    while True:
        new = {key: state for key, state in groups().items() if key not in before}
        if set(new.values()) == {"REMOVED"}:
            break
        assert time.monotonic() < deadline, new
        await asyncio.sleep(0.05)
    assert len(new) == 2


async def test_a_head_that_hangs_is_an_error_and_sandboxes_that_run_go_on(
    started: Started, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await create(started.engine, TaskSpec())
    asking = TaskSpec(requests=Requests(cpus=0.5))
    head = cluster.head_node.all_processes["gcs_server"][0].process.pid
    with monkeypatch.context() as patch:
        patch.setattr(ray_calls, "LIMIT", 0.5)
        os.kill(head, signal.SIGSTOP)
        try:
            with pytest.raises(EngineUnavailable, match="the Ray cluster has not answered for"):
                await started.engine.create(asking)
            await run(running, "true")
        finally:
            os.kill(head, signal.SIGCONT)
    for task in (running, await asyncio.wait_for(create(started.engine, asking), TIMEOUT)):
        await task.kill()


async def test_the_doctor_says_what_the_nodes_have(started: Started, cluster: Any) -> None:
    doctor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest_sandbox.cli", "doctor", "--engine", "ray", "--json"),
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE,
    )
    told = json.loads((await doctor.communicate())[0])
    assert doctor.returncode == 0, told
    package, where, *nodes = told["findings"]
    assert package["detail"].startswith(ray.__version__)
    assert where["detail"] == f"the one at RAY_ADDRESS={cluster.address}"
    assert len(nodes) == len(started.nodes)  # which of them are named by what, may differ
    with_gpu = [each for each in nodes if "1 GPU, H100; " in each["detail"]]
    assert len(with_gpu) == 1
    for each in nodes:
        assert each["ok"]
        assert "2 CPU, " in each["detail"]
        assert "\nno GPU: " in each["detail"]  # although Ray counts one on one of them
    assert told["trial"]["ok"]


TEST_OF_A_LOST_NODE = """
import os, signal, time
from concurrent.futures import ThreadPoolExecutor
import pytest
from pytest_sandbox import exceptions

def error_of(call):
    with pytest.raises(exceptions.NotFoundError) as caught:
        call()
    return str(caught.value)

def test_it(sandbox_factory):
    sandbox = sandbox_factory("sleep", "1000")
    process, polled = (sandbox.exec("sleep", "1000") for _ in range(2))
    with ThreadPoolExecutor(2) as threads:
        waits = [threads.submit(error_of, call) for call in (process.wait, sandbox.wait)]
        assert polled.poll() is None
        for listener in os.environ["LISTENERS"].split():
            os.kill(int(listener), signal.SIGKILL)
        begin = time.monotonic()
        errors = [wait.result() for wait in waits]
        assert time.monotonic() - begin < 10  # 5, and as many again for a busy machine
    errors += [error_of(call) for call in (polled.poll, polled.wait, sandbox.poll, sandbox.wait)]
    for error in errors:
        assert " of Ray is gone: the connection was lost" in error
    assert sandbox.returncode is None
    assert sandbox.terminate(wait=True) == 137
"""


async def test_a_test_is_told_which_node_is_gone(
    started: Started,
    cluster: Any,
    tmp_path: Path,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listeners = [await asyncio.to_thread(started.engine_process, node) for node in started.nodes]
    (tmp_path / "test_it.py").write_text(TEST_OF_A_LOST_NODE)
    monkeypatch.setenv("LISTENERS", " ".join(map(str, listeners)))
    assert "1 passed" in await outcome(cluster.address)
    await started.until(lambda: len(started.nodes) == 2)


async def test_a_node_that_dies_takes_its_sandboxes_and_no_others(
    started: Started, cluster: Any
) -> None:
    added = cluster.add_node(num_cpus=2, resources={"added": 1})
    await started.until(lambda: len(started.nodes) == 3)
    tasks = [await create(started.engine, TaskSpec()) for _ in range(6)]
    dying = [task for task in tasks if task.node is started.node_with("added")]
    assert dying
    running = await dying[0].exec(ProcessSpec(("sleep", "1000")))
    cluster.remove_node(added, allow_graceful=False)
    end = await asyncio.wait_for(dying[0].wait(), TIMEOUT)
    assert end.cause is EndCause.LOST
    await asyncio.wait_for(running.wait(), TIMEOUT)
    assert str(running.lost) == str(end.lost)
    with pytest.raises(TaskLost, match=r"the node [0-9.]+ of Ray is gone: the connection was lost"):
        await dying[0].exec(ProcessSpec(("true",)))
    await started.until(lambda: len(started.nodes) == 2)
    for task in tasks:
        if task not in dying:
            assert await run(task, "echo", "lives") == b"lives\n"
            await task.kill()
    assert (await create(started.engine, TaskSpec())).node in started.nodes


@pytest.mark.parametrize("which", ["its actor", "its process"])
async def test_an_engine_that_was_killed_is_started_again(started: Started, which: str) -> None:
    before = started.nodes[0]
    pid = await asyncio.to_thread(started.engine_process, before)
    task = await create(started.engine, TaskSpec())
    while task.node is not before:
        task = await create(started.engine, TaskSpec())
    if which == "its actor":
        ray.kill(started.placer.nodes.actors[started.id_of(before)])
    else:
        os.kill(pid, signal.SIGKILL)
    assert (await asyncio.wait_for(task.wait(), TIMEOUT)).cause is EndCause.LOST
    await started.until(lambda: len(started.nodes) == 2)
    assert before not in started.nodes


async def test_a_node_that_stalls_is_gone_until_it_answers_again(started: Started) -> None:
    task = await create(started.engine, TaskSpec())
    stalled = task.node
    kept = next(node for node in started.nodes if node is not stalled)
    pid = await asyncio.to_thread(started.engine_process, stalled)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert (await asyncio.wait_for(task.wait(), TIMEOUT)).cause is EndCause.LOST
        with pytest.raises(TaskLost, match="is gone: the connection was lost"):
            await task.exec(ProcessSpec(("true",)))
        assert started.nodes == [kept]
        await (await create(started.engine, TaskSpec())).kill()
    finally:
        os.kill(pid, signal.SIGCONT)
    await started.until(lambda: len(started.nodes) == 2)
    assert stalled not in started.nodes
