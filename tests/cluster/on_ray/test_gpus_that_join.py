"""A node with the first GPU of a cluster of Ray joins while sandboxes run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import Capability, Gpus, TaskSpec

if TYPE_CHECKING:
    from .clusters import Started

pytest.importorskip("ray", reason="needs the package ray")
pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # Ray's own.
    pytest.mark.filterwarnings(
        "ignore:.*ray_client_server:pytest.PytestUnraisableExceptionWarning"
    ),
]


async def test_a_node_with_a_gpu_joins_a_run_that_had_none(started: Started) -> None:
    assert Capability.GPU not in started.first.capabilities
    assert "Ray knows of none there" in started.first.details["no GPU"]
    assert "no node of the Ray cluster has 1 GPU, H100" in started.refused

    assert Capability.GPU in started.engine.info.capabilities
    task = await started.engine.create(TaskSpec(gpus=Gpus("H100")))
    await task.kill()
