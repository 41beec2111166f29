"""What sandboxes wait for because others have it, and what goes back to Ray when."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.cluster.on_ray import groups as groups_module
from pytest_sandbox.engine import Gpus, Requests, StoreFull, TaskSpec

from .clusters import MEBIBYTE, TIMEOUT, create, run

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


async def test_many_that_wait_are_not_in_the_way_of_what_is_given_back(started: Started) -> None:
    async def life() -> None:
        task = await create(started.engine, TaskSpec(requests=Requests(cpus=2.0)))
        await task.kill()

    await asyncio.wait_for(asyncio.gather(*(life() for _ in range(16))), TIMEOUT)


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


async def test_a_gpu_that_others_use_is_waited_for(started: Started) -> None:
    first = await create(started.engine, TaskSpec(gpus=Gpus("H100")))
    second = asyncio.ensure_future(create(started.engine, TaskSpec(gpus=Gpus("H100"))))
    await run(first, "true")
    assert not second.done()
    await first.kill()
    await (await asyncio.wait_for(second, TIMEOUT)).kill()


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
