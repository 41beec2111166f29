"""A node with the first GPU of a cluster of Ray joins while tests run."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Outcome

pytest.importorskip("ray", reason="needs the package ray")
Cluster: Any = importlib.import_module("ray.cluster_utils").Cluster

TESTS = """
import time

import pytest


@pytest.mark.gpu
def test_before(sandbox):
    pass


def test_meanwhile(sandbox, sandbox_engine, tmp_path_factory):
    (tmp_path_factory.getbasetemp().parent / "begun").touch()
    deadline = time.monotonic() + 60
    while "gpu" not in sandbox_engine.client.inspector.engine().capabilities:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.gpu("H100")
def test_after(sandbox):
    assert "H100" in sandbox.run("nvidia-smi", "-L").stdout
"""


@pytest.mark.asyncio
async def test_a_node_with_a_gpu_joins_a_run_that_had_none(
    tmp_path: Path, outcome: Outcome
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    begun = tmp_path / "temp" / "begun"
    begun.parent.mkdir()
    options = ("-rs", f"--basetemp={begun.parent / 'of'}", "--sandbox-engine-option=gpus=simulated")
    head = {"num_cpus": 1, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        running = asyncio.ensure_future(outcome(made.address, *options))
        while not begun.exists():
            assert not running.done(), running.result()
            await asyncio.sleep(0.05)
        made.add_node(num_cpus=1, num_gpus=1, resources={"accelerator_type:H100": 1})
        text = await running
    finally:
        made.shutdown()
    assert "2 passed, 1 skipped" in text
    assert "Ray knows of none there" in text
