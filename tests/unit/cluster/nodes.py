"""Clusters of engines in memory, whose nodes a test adds and removes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pytest_sandbox.cluster import ClusterEngine, Node, Placement, Placer
from pytest_sandbox.fakes import FakeEngine, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_sandbox.engine import Clock, Engine, TaskSpec


class HeldPlace(Placement):
    def __init__(self, node: Node, placer: Turns) -> None:
        self.node = node
        self._placer = placer

    async def release(self) -> None:
        self._placer.held.discard(self)


class Turns(Placer):
    """Places sandboxes on its nodes in turn.

    Attributes:
        held: the places that are not released.
        asked: the names of the nodes that each sandbox could be on.
        placed: all places that there were.
    """

    name = "turns"

    def __init__(self, engines: Collection[Engine]) -> None:
        self._engines = list(engines)
        self._turn = itertools.count()
        self.nodes: list[Node] = []
        self.held: set[HeldPlace] = set()
        self.asked: list[list[str]] = []
        self.placed: list[HeldPlace] = []

    async def start(
        self, joined: Callable[[Node], None], left: Callable[[Node, str], None]
    ) -> None:
        self._joined, self._left = joined, left
        for engine in self._engines:
            await self.join(engine)

    async def join(self, engine: Engine) -> None:
        node = Node(f"n{len(self.nodes)}", engine, await engine.start())
        self.nodes.append(node)
        self._joined(node)

    async def lose(self, node: Node) -> None:
        """End a node, as if its machine were gone."""
        await node.engine.close()
        self._left(node, "it is gone")

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        nodes = list(among)
        self.asked.append([node.name for node in nodes])
        place = HeldPlace(nodes[next(self._turn) % len(nodes)], self)
        self.held.add(place)
        self.placed.append(place)
        return place

    async def close(self) -> None:
        for node in self.nodes:
            await node.engine.close()


def cluster(count: int, clock: Clock | None = None) -> tuple[ClusterEngine, Turns]:
    clock = clock or VirtualClock()
    placer = Turns([FakeEngine(clock=clock) for _ in range(count)])
    return ClusterEngine(placer, clock), placer
