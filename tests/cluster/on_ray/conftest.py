"""One cluster of Ray for all tests of the folder: to start one takes long."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.cluster import ClusterEngine
from pytest_sandbox.cluster.on_ray import nodes as nodes_module
from pytest_sandbox.cluster.on_ray import placer as placer_module
from pytest_sandbox.cluster.on_ray.nodes import RayNodes
from pytest_sandbox.cluster.on_ray.placer import RayPlacer
from pytest_sandbox.engine import Gpus, TaskSpec, Unsupported

from .clusters import CLIENT_SERVER, TIMEOUT, Started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class WithGpus(RayNodes):
    """Nodes whose simulated GPUs Ray counts, as it does with others: in this process only."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.simulates_gpus = False


@pytest.fixture(scope="package")
def counted_gpus() -> Iterator[None]:
    """Has Ray count the GPUs that nodes simulate, since there are no others here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placer_module, "RayNodes", WithGpus)
        yield


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """A cluster with one node, to which `started` adds another one; closed after the folder."""
    head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": CLIENT_SERVER}
    made: Any = importlib.import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args=head
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", made.address)
        patch.setattr(nodes_module, "LOOK", 0.05)
        patch.setattr(nodes_module, "START", TIMEOUT)
        yield made
    made.shutdown()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def started(cluster: Any, counted_gpus: None) -> AsyncIterator[Started]:
    """An engine on the cluster; the second node, which has a GPU, joins once it has started."""
    placer = RayPlacer("ray", {"gpus": "simulated"})
    engine = ClusterEngine(placer)
    first = await engine.start()
    with pytest.raises(Unsupported) as refused:
        await engine.create(TaskSpec(gpus=Gpus("H100")))
    made = Started(engine, placer, first, str(refused.value))
    cluster.add_node(num_cpus=2, num_gpus=1, resources={"accelerator_type:H100": 1})
    await made.until(lambda: len(made.nodes) == 2)
    yield made
    await engine.close()
