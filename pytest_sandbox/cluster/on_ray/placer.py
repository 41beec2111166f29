"""Places sandboxes on the nodes of a cluster of Ray."""

from __future__ import annotations

import asyncio
import importlib
import logging
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait, finish
from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.engine import EngineUnavailable, StoreFull, Unsupported
from pytest_sandbox.remote import remote_engine

from ..placer import Node, Placement, Placer
from .node_actor import NodeActor
from .resources import TRACE, bundles, feasible, in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from pytest_sandbox.engine import TaskSpec

log = logging.getLogger("pytest_sandbox.cluster")

NAMESPACE = "pytest-sandbox"
#: Seconds between two looks at which nodes there are.
LOOK = 1.0
#: Seconds for which a node may be silent before it counts as gone: they are near each other.
LEASE = 5.0
#: Seconds that a sandbox waits for resources that others use.
WAIT = 60.0


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
        self._nodes: dict[str, Node] = {}  # by Ray's id
        self._hosts: dict[str, str] = {}
        self._actors: dict[str, Any] = {}
        self._live: dict[Node, int] = {}
        self._failed: dict[str, str] = {}  # nodes that have no engine, and why
        self._totals: dict[str, Mapping[str, float]] = {}
        self._looking = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._places: set[_RayPlacement] = set()

    async def start(
        self, joined: Callable[[Node], None], left: Callable[[Node, str], None]
    ) -> None:
        """Connect to the cluster, and start the engines of its nodes."""
        self._joined, self._left = joined, left
        await asyncio.to_thread(self._connect)
        self.name = f"ray {self._ray.__version__}"
        await self._look()
        if not self._nodes:
            why = "; ".join(f"{node}: {reason}" for node, reason in self._failed.items())
            raise EngineUnavailable(
                f"no node of the Ray cluster can run an engine: {why or 'it has none'}",
                "Is this version of pytest-sandbox installed on all nodes, for the Python of Ray "
                "there? `pytest-sandbox doctor` says there what is missing.",
            )
        self._watching = background(self._watch())

    def _connect(self) -> None:
        try:
            ray = self._ray = importlib.import_module("ray")
        except ImportError as error:
            raise EngineUnavailable(
                f"the engine {self._address!r} needs the package ray: {error}",
                install_command("ray"),
            ) from error
        quiet = {"namespace": NAMESPACE, "log_to_driver": False, "configure_logging": False}
        if ray.is_initialized():
            return
        try:
            if self._address != "ray":
                ray.init(self._address, **quiet)
                return
            try:
                ray.init("auto", **quiet)
            except ConnectionError:  # this machine belongs to none
                ray.init(**quiet, include_dashboard=False)
        except Exception as error:  # Ray raises many kinds
            raise EngineUnavailable(
                f"the Ray cluster {self._address} cannot be used: {error}",
                "Is it running, and has it the same version of Ray and Python?",
            ) from error

    # Nodes

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except Exception:
                log.exception("the nodes of the Ray cluster cannot be listed")

    async def _look(self) -> None:
        """Take in nodes that have joined, and engines that died on nodes which live."""
        async with self._looking:
            listed = await asyncio.to_thread(self._ray.nodes)
            live = [each for each in listed if each["Alive"]]
            self._totals = {each["NodeID"]: each["Resources"] for each in live}
            new = [each for each in live if each["NodeID"] not in self._nodes]
            await asyncio.gather(*map(self._take, new))

    async def _take(self, listed: Mapping[str, Any]) -> None:
        node_id, host = listed["NodeID"], listed["NodeManagerAddress"]
        try:
            address = await asyncio.to_thread(self._address_of, node_id, host)
            where = replace(RemoteAddress.parse(address), lease=LEASE)
            over, name = partial(self._over, node_id), f"the node {host} of Ray"
            engine = remote_engine(where, self._options, over, name)
            info = await engine.start()
        except Exception as error:  # of Ray, of the actor or of the engine
            if self._failed.get(node_id) != str(error):
                log.warning("the node %s has no engine: %s", host, error)
            self._failed[node_id] = str(error)
            return
        named = host if host not in self._hosts.values() else f"{host} ({node_id[:8]})"
        node = Node(named, engine, info)
        self._failed.pop(node_id, None)
        self._nodes[node_id], self._hosts[node_id], self._live[node] = node, host, 0
        self._joined(node)

    def _address_of(self, node_id: str, host: str) -> str:
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        actor = (
            self._ray.remote(NodeActor)
            .options(
                name=f"{NAMESPACE}-{version('pytest-sandbox')}-{node_id}",
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(node_id, soft=False),
            )
            .remote(host)
        )
        self._actors[node_id] = actor
        address: str = self._ray.get(actor.address.remote(), timeout=WAIT)
        return address

    def _over(self, node_id: str, reason: str) -> None:
        node = self._nodes.pop(node_id, None)
        if node is None:
            return
        del self._hosts[node_id], self._live[node]
        log.warning("the node %s is gone: %s", node.name, reason)
        self._left(node, reason)
        background(node.engine.close())

    # Places

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        """A place: by Ray's resources if it asks for some, else where the fewest sandboxes are."""
        wanted = bundles(spec)
        if not wanted:
            return self._placed(min(among, key=lambda each: self._live.get(each, 0)), None)
        ids = [node_id for node_id, node in self._nodes.items() if node in among]
        totals = [self._totals.get(node_id, {}) for node_id in ids]
        possible = [bundle for bundle in wanted if feasible(bundle, totals)]
        if not possible:
            raise Unsupported(
                "resources",
                f"no node of the Ray cluster has {' or '.join(map(in_words, wanted))}",
            )
        bundle = possible[0]
        if len(ids) < len(self._totals):  # Ray would choose among all
            fitting = [i for i, total in zip(ids, totals, strict=True) if feasible(bundle, [total])]
            node_id = min(fitting, key=lambda each: self._live[self._nodes[each]])
            bundle = {**bundle, f"node:{self._hosts[node_id]}": TRACE}
        making = asyncio.to_thread(self._group, bundle)
        group, node_id = await finish(making, lambda made: self._remove_soon(made[0]))
        if node_id not in self._nodes:
            await asyncio.to_thread(self._remove, group)
            raise EngineUnavailable(f"Ray chose a node that has no engine: {node_id}")
        return self._placed(self._nodes[node_id], group)

    def _group(self, bundle: dict[str, float]) -> tuple[Any, str]:
        """A placement group that is ready, and the node that it is on."""
        group = self._ray.util.placement_group([bundle])
        if not group.wait(WAIT):
            self._remove(group)
            raise StoreFull(
                f"{in_words(bundle)}: others used them for {WAIT:g} s; run fewer workers, or add "
                "nodes to the Ray cluster"
            )
        node_id: str = self._ray.util.placement_group_table(group)["bundles_to_node_id"][0]
        return group, node_id

    def _placed(self, node: Node, group: Any) -> _RayPlacement:
        self._live[node] += 1
        placement = _RayPlacement(node, self._released, group)
        self._places.add(placement)
        return placement

    async def _released(self, placement: _RayPlacement) -> None:
        self._places.discard(placement)
        if placement.node in self._live:
            self._live[placement.node] -= 1
        if placement.group is not None:
            await asyncio.to_thread(self._remove, placement.group)

    async def _remove_soon(self, group: Any) -> None:
        await asyncio.to_thread(self._remove, group)

    def _remove(self, group: Any) -> None:
        self._ray.util.remove_placement_group(group)

    async def close(self) -> None:
        """Release all places, and close the engines; the actors stay, for other runs."""
        if self._watching is not None:
            await cancel_and_wait(self._watching)
        nodes, self._nodes = self._nodes, {}
        await asyncio.gather(*(node.engine.close() for node in nodes.values()))
        await asyncio.gather(*(place.release() for place in list(self._places)))
        if self._ray is not None:
            await asyncio.to_thread(self._ray.shutdown)


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
