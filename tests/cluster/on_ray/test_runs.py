"""Runs of pytest on a cluster of Ray, and what `pytest-sandbox doctor` says of one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from .clusters import CLIENT_SERVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
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


TESTS_OF_MANY_WORKERS = """
import pytest

@pytest.mark.parametrize('number', range(12))
def test_it(sandbox, number):
    assert sandbox.run('echo', str(number)).stdout == f'{number}\\n'

@pytest.mark.gpu('A100-40GB', count=4)
def test_gpus(sandbox, gpu):
    assert sandbox.run('nvidia-smi', '-L').stdout.count('A100') == 4
"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def printed(
    cluster: Any,
    tmp_path_factory: pytest.TempPathFactory,
    outcome_in: Callable[..., Awaitable[str]],
) -> str:
    """What a run with many workers prints, and with simulated GPUs."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "test_it.py").write_text(TESTS_OF_MANY_WORKERS)
    return await outcome_in(folder, cluster.address, "-n", "4", "--gpu=fake", "-rA")


async def test_tests_run_on_the_cluster_with_many_workers(printed: str) -> None:
    assert printed.count("PASSED test_it.py::test_it[") == 12, printed


async def test_simulated_gpus_are_not_counted_by_ray(printed: str) -> None:
    assert "PASSED test_it.py::test_gpus" in printed, printed


async def test_a_cluster_is_reached_through_its_client_server(
    cluster: Any, tmp_path: Path, outcome: Outcome
) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_nothing(sandbox): sandbox.run('true')\n"
        "def test_cpu(sandbox_factory): sandbox_factory(cpu=1).run('true')\n"
    )
    address = f"ray://127.0.0.1:{CLIENT_SERVER}"
    assert "2 passed" in await outcome(cluster.address, engine=address)


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
