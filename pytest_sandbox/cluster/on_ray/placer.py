"""Places sandboxes on the nodes of a cluster of Ray."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.async_tasks import background, finish
from pytest_sandbox.engine import EngineUnavailable, StoreFull

from ..placer import Node, NodesChanged, Placement, Placer
from .connecting import connected
from .nodes import RayNodes
from .resources import bundles, feasible, in_words, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from pytest_sandbox.engine import TaskSpec

log = logging.getLogger("pytest_sandbox.cluster")

#: Seconds that a sandbox waits for resources that others use.
WAIT = 60.0
#: Seconds between two questions whether Ray has found a place: the first, and the most.
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1
#: The label by which Ray tells nodes from each other.
_NODE_ID = "ray.io/node-id"

T = TypeVar("T")


class RayPlacer(Placer):
    """The nodes of a cluster of Ray.

    Args:
        address: of the cluster, `ray://HOST:PORT`; `"ray"` for the one that this machine belongs
            to, and if there is none, for one that is started here.
        options: for the engines of the nodes.
    """

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self.name = "ray"
        self._address = address
        self._options = options
        self._ray: Any = None
        self._nodes: RayNodes | None = None
        self._live: dict[Node, int] = {}
        self._places: set[_RayPlacement] = set()
        # Of its own: what waits elsewhere for a thread is not in the way of what is given back.
        self._threads = ThreadPoolExecutor(4, "ray-places")

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

        self._ray = await connected(self._address)
        self.name = f"ray {self._ray.__version__}"
        self._nodes = RayNodes(self._ray, self._options, joined, forget)
        await self._nodes.start()

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        """A place: by Ray's resources if it asks for some, else where the fewest sandboxes are."""
        wanted = bundles(replace(spec, gpus=None) if self.nodes.simulates_gpus else spec)
        if not wanted:  # nothing of Ray is asked: it takes longer than a sandbox
            return self._placed(min(among, key=lambda each: self._live.get(each, 0)), None)
        group, node_id = await self._group(wanted, among)
        node = self.nodes.engines.get(node_id)
        if node is None:
            await self._remove(group)
            await self.nodes.look(node_id)
            raise NodesChanged(f"{node_id} has joined just now, or is gone just now")
        return self._placed(node, group)

    async def _group(
        self, wanted: list[dict[str, float]], among: Collection[Node]
    ) -> tuple[Any, str]:
        """A placement group that has a node, and Ray's id of the node.

        Raises:
            StoreFull, Unsupported: there is none.
            EngineUnavailable: Ray cannot be asked.
        """
        nodes, totals = self.nodes.engines, self.nodes.totals
        there = {i: totals.get(i, {}) for i, node in nodes.items() if node in among}
        bundle = next((each for each in wanted if feasible(each, there.values())), None)
        others = totals.keys() - there.keys()  # of nodes, while some of `there` may be gone
        if bundle is None:
            figures = {nodes[node_id].name: total for node_id, total in there.items()}
            raise refused(wanted, figures, all_nodes=not others)
        selector = None
        if others:  # Ray would choose among all
            selector = [{_NODE_ID: f"in({','.join(there)})"}]
        making = self._call(
            lambda: self._ray.util.placement_group([bundle], bundle_label_selector=selector)
        )
        deadline = time.monotonic() + WAIT
        group = await finish(making, self._remove)
        pause = FIRST_PAUSE
        try:
            while not (node_id := await self._call(self._node_of, group)):
                if time.monotonic() >= deadline:
                    raise StoreFull(
                        f"{in_words(bundle)}: others used them for {WAIT:g} s; run fewer workers, "
                        "or add nodes to the Ray cluster",
                        forgetting_helps=False,
                    )
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        except BaseException:
            background(self._remove(group))
            raise
        return group, node_id

    def _node_of(self, group: Any) -> str:
        """Ray's id of the node that a placement group is on; empty while it has none."""
        table = self._ray.util.placement_group_table(group)
        return table["bundles_to_node_id"][0] if table["state"] == "CREATED" else ""

    def _placed(self, node: Node, group: Any) -> _RayPlacement:
        self._live[node] = self._live.get(node, 0) + 1
        placement = _RayPlacement(node, self._released, group)
        self._places.add(placement)
        return placement

    async def _released(self, placement: _RayPlacement) -> None:
        self._places.discard(placement)
        if placement.node in self._live:
            self._live[placement.node] -= 1
        if placement.group is not None:
            await self._remove(placement.group)

    async def _remove(self, group: Any) -> None:
        try:
            await self._call(self._ray.util.remove_placement_group, group)
        except EngineUnavailable as error:  # of what has ended, nobody waits for this
            log.warning("what a sandbox had could not be given back: %s", error)

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        """Call Ray, which blocks.

        Raises:
            EngineUnavailable: it raises something, such as that it is gone.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        except Exception as error:  # Ray raises many kinds
            raise EngineUnavailable(f"Ray does not do what it should: {error}") from error

    async def close(self) -> None:
        """Release all places, and close the engines; the actors stay, for other runs."""
        if self._nodes is not None:
            await self._nodes.close()
        await asyncio.gather(*(place.release() for place in list(self._places)))
        if self._ray is not None:
            await asyncio.to_thread(self._ray.shutdown)
        self._threads.shutdown()


class _RayPlacement(Placement):
    def __init__(
        self, node: Node, give_back: Callable[[_RayPlacement], Awaitable[None]], group: Any
    ) -> None:
        self.node = node
        self.group = group
        self._give_back: Callable[[_RayPlacement], Awaitable[None]] | None = give_back

    async def release(self) -> None:
        """Give what the sandbox used back to Ray."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            await give_back(self)
