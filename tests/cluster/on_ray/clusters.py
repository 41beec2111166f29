"""An engine on a cluster of Ray of this machine, as tests use it."""

from __future__ import annotations

import importlib
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.engine import ProcessSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox.cluster import ClusterEngine, Node
    from pytest_sandbox.cluster.on_ray.placer import RayPlacer
    from pytest_sandbox.cluster.task import ClusterTask
    from pytest_sandbox.engine import Engine, EngineInfo, TaskSpec

with socket.create_server(("127.0.0.1", 0)) as _free:
    CLIENT_SERVER = _free.getsockname()[1]
TIMEOUT = 60.0
MEBIBYTE = 2**20


@dataclass
class Started:
    """An engine on a cluster.

    Attributes:
        engine: the engine.
        placer: of its sandboxes.
        first: what it was while the cluster had one node.
        refused: what was said there to a sandbox with a GPU.
    """

    engine: ClusterEngine
    placer: RayPlacer
    first: EngineInfo
    refused: str

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
        ray = importlib.import_module("ray")
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


async def create(engine: Engine, spec: TaskSpec) -> ClusterTask:
    return cast("ClusterTask", await engine.create(spec))


async def run(task: ClusterTask, *argv: str) -> bytes:
    process = await task.exec(ProcessSpec(argv))
    output = b"".join([part async for part in process.stdout.follow()])
    assert (await process.wait()).code == 0
    return output
