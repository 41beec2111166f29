"""Places sandboxes on the nodes of a cluster of Ray."""

from __future__ import annotations

import asyncio
import atexit
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import EngineUnavailable, SystemClock

from ..placer import Node, NodesChanged, Placement, Placer
from .connecting import connected
from .groups import RayGroups
from .nodes import RayNodes
from .ray_calls import RayCalls
from .resources import bundles, feasible, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from pytest_sandbox.engine import Clock, TaskSpec

    from .groups import RayGroup

log = logging.getLogger("pytest_sandbox.cluster")


class RayPlacer(Placer):
    """The nodes of a cluster of Ray.

    Args:
        address: of the cluster, `ray://HOST:PORT`; `"ray"` for the one that this machine belongs
            to, and if there is none, for one that is started here.
        options: for the engines of the nodes.
        clock: measures how long what a sandbox had is kept for the next one.

    Attributes:
        starts_cluster: whether there was none, so that one was started here.
    """

    starts_cluster = False

    def __init__(
        self, address: str, options: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        self.name = "ray"
        self._address = address
        self._options = options
        self._ray: Any = None
        self._nodes: RayNodes | None = None
        self._live: dict[Node, int] = {}
        self._places: set[_RayPlacement] = set()
        self._clock = clock or SystemClock()
        # Of its own: what waits elsewhere for a thread is not in the way of what is given back.
        self._calls = RayCalls(4)
        self._groups: RayGroups | None = None

    @property
    def groups(self) -> RayGroups:
        """What sandboxes have of Ray."""
        assert self._groups is not None, "it is not started"
        return self._groups

    @property
    def nodes(self) -> RayNodes:
        """The nodes that have an engine."""
        assert self._nodes is not None, "it is not started"
        return self._nodes

    async def start(
        self, joined: Callable[[Node], None], left: Callable[[Node, str], None]
    ) -> None:
        """Connect to the cluster, and start the engines of its nodes."""

        def forget(node: Node, reason: str) -> None:
            self._live.pop(node, None)
            left(node, reason)
            background(self.groups.lose(self.nodes.engines))

        def starts() -> None:
            self.starts_cluster = True

        self._ray = await connected(self._address, starts)
        self.name = f"ray {self._ray.__version__}"
        self._groups = RayGroups(self._ray, self._calls, self._clock)
        self._nodes = RayNodes(self._ray, self._options, joined, forget)
        await self._nodes.start()

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        """A place: by Ray's resources if it asks for some, else where the fewest sandboxes are."""
        wanted = bundles(replace(spec, gpus=None) if self.nodes.simulates_gpus else spec)
        if not wanted:  # nothing of Ray is asked: it takes longer than a sandbox
            return self._placed(min(among, key=lambda each: self._live.get(each, 0)), None)
        group = await self._group(wanted, among)
        node = self.nodes.engines.get(group.node_id)
        if node is None or node not in among:
            await self.groups.remove(group)
            await self.nodes.look(group.node_id)
            raise NodesChanged(f"{group.node_id} has joined just now, or is gone just now")
        return self._placed(node, group)

    async def _group(self, wanted: list[dict[str, float]], among: Collection[Node]) -> RayGroup:
        """A placement group that has a node.

        Raises:
            StoreFull, Unsupported: there is none.
            EngineUnavailable: Ray cannot be asked.
        """
        nodes, totals = self.nodes.engines, self.nodes.totals
        there = {i: totals.get(i, {}) for i, node in nodes.items() if node in among}
        bundle = next((each for each in wanted if feasible(each, there.values())), None)
        others = bool(totals.keys() - there.keys())  # while some of `there` may be gone
        if bundle is None:
            figures = {nodes[node_id].name: total for node_id, total in there.items()}
            raise refused(wanted, figures, all_nodes=not others)
        return await self.groups.get(bundle, there, others=others)

    def _placed(self, node: Node, group: RayGroup | None) -> _RayPlacement:
        self._live[node] = self._live.get(node, 0) + 1
        placement = _RayPlacement(node, self._released, group)
        self._places.add(placement)
        return placement

    async def _released(self, placement: _RayPlacement) -> None:
        self._places.discard(placement)
        if placement.node in self._live:
            self._live[placement.node] -= 1
        group = placement.group
        if group is None:
            return
        if group.node_id in self.nodes.engines:
            await self.groups.release(group)
        else:
            await self.groups.remove(group)

    async def close(self) -> None:
        """Release all places, and close the engines; the actors stay, for other runs."""
        if self._nodes is not None:
            await self._nodes.close()
        if self._groups is not None:
            await self._groups.close()
        await asyncio.gather(*(place.release() for place in list(self._places)))
        try:
            await self._calls.close(None if self._ray is None else self._ray.shutdown)
        except EngineUnavailable as error:
            log.warning("the connection to Ray could not be closed: %s", error)
            if self._ray is not None:  # the process would try it again at its end, and hang
                atexit.unregister(self._ray.shutdown)


class _RayPlacement(Placement):
    def __init__(
        self,
        node: Node,
        give_back: Callable[[_RayPlacement], Awaitable[None]],
        group: RayGroup | None,
    ) -> None:
        self.node = node
        self.group = group
        self._give_back: Callable[[_RayPlacement], Awaitable[None]] | None = give_back

    async def release(self) -> None:
        """Give what the sandbox used back to Ray."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            await give_back(self)
