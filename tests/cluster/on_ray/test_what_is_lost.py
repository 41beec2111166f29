"""Nodes of a cluster of Ray that die, stall and come back, and a head node that hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.cluster.on_ray import ray_calls
from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ProcessSpec,
    Requests,
    TaskLost,
    TaskSpec,
)

from .clusters import TIMEOUT, create, run

if TYPE_CHECKING:
    from pathlib import Path

    from ..conftest import Outcome
    from .clusters import Started

ray = pytest.importorskip("ray", reason="needs the package ray")
pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # Ray's own.
    pytest.mark.filterwarnings(
        "ignore:.*ray_client_server:pytest.PytestUnraisableExceptionWarning"
    ),
]


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
