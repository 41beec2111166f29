"""A node with the first GPU of a cluster of Ray joins while sandboxes run."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from pytest_sandbox.cluster import ClusterEngine
from pytest_sandbox.cluster.on_ray import nodes as nodes_module
from pytest_sandbox.cluster.on_ray.placer import RayPlacer
from pytest_sandbox.engine import Capability, Gpus, TaskSpec, Unsupported

pytest.importorskip("ray", reason="needs the package ray")
Cluster: Any = importlib.import_module("ray.cluster_utils").Cluster


@pytest.mark.asyncio
@pytest.mark.usefixtures("counted_gpus")
async def test_a_node_with_a_gpu_joins_a_run_that_had_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes_module, "LOOK", 0.05)
    head = {"num_cpus": 1, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    engine = ClusterEngine(RayPlacer("ray", {"gpus": "simulated"}))
    try:
        info = await engine.start()
        assert Capability.GPU not in info.capabilities
        assert "Ray knows of none there" in info.details["no GPU"]
        with pytest.raises(Unsupported, match="no node of the Ray cluster has 1 GPU, H100"):
            await engine.create(TaskSpec(gpus=Gpus("H100")))

        made.add_node(num_cpus=1, num_gpus=1, resources={"accelerator_type:H100": 1})

        for _ in range(1200):
            if Capability.GPU in engine.info.capabilities:
                break
            await asyncio.sleep(0.05)
        task = await engine.create(TaskSpec(gpus=Gpus("H100")))
        await task.kill()
    finally:
        await engine.close()
        made.shutdown()
