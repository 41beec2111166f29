"""The nodes of a cluster of Ray that have an engine, as they come and go."""

from __future__ import annotations

import asyncio
import importlib
import logging
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.engine import Capability, EngineUnavailable
from pytest_sandbox.remote import remote_engine

from ..placer import Node
from .connecting import NAMESPACE
from .node_actor import NodeActor
from .ray_calls import LIMIT, RayCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_sandbox.engine import EngineInfo

log = logging.getLogger("pytest_sandbox.cluster")

#: Seconds between two looks at which nodes there are.
LOOK = 1.0
#: Seconds for which a node may be silent before it counts as gone: they are near each other.
LEASE = 5.0
#: Seconds that the actor of a node may take to start the engine there.
ANSWER = 60.0
#: Seconds that a run waits for its first node: to connect takes some, and all that is less than it
#: waits for its engine, so that it is said what that waited for.
FIRST = 20.0
#: Seconds that a run waits for further nodes when it begins, once it has one; others join later.
START = 5.0


class RayNodes:
    """The nodes that have an engine.

    Args:
        ray: the module, connected.
        options: for the engines of the nodes.
        joined: called with each node.
        left: called with a node that is gone, and why.

    Attributes:
        engines: the nodes, by Ray's id.
        totals: what each node of the cluster has of Ray's resources, by its id; also of nodes that
            have no engine.
        hosts: the addresses of all nodes, by Ray's id.
        actors: of the nodes, by Ray's id.
        simulates_gpus: whether the nodes do, for sandboxes that ask for some: Ray counts none.
    """

    def __init__(
        self,
        ray: Any,
        options: Mapping[str, str],
        joined: Callable[[Node], None],
        left: Callable[[Node, str], None],
    ) -> None:
        self.engines: dict[str, Node] = {}
        self.totals: dict[str, Mapping[str, float]] = {}
        self.hosts: dict[str, str] = {}
        self.actors: dict[str, Any] = {}
        self.simulates_gpus = options.get("gpus") == "simulated"
        self._ray = ray
        # Of its own: the actor of a node may take a while to start.
        self._calls = RayCalls(32)
        self._options = options
        self._joined, self._left = joined, left
        self._failed: dict[str, str] = {}  # nodes that have no engine, and why
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take in the nodes that there are, and from now on those that join.

        Raises:
            EngineUnavailable: none can run an engine.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + FIRST
        await self._look()
        if self._taking:
            await asyncio.wait(self._taking.values(), timeout=START)
        while self._taking and not self.engines and (left := until - loop.time()) > 0:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._taking.values(), timeout=left, return_when=first)
        if not self.engines:
            failed = self.without_engine
            why = "; ".join(f"{self.hosts[key]}: {reason}" for key, reason in failed.items())
            raise EngineUnavailable(
                f"no node of the Ray cluster can run an engine: {why or 'it has none'}",
                "Is this version of pytest-sandbox installed on all nodes, for the Python of Ray "
                "there? `pytest-sandbox doctor` says there what is missing.",
            )
        self._watching = background(self._watch())

    @property
    def without_engine(self) -> Mapping[str, str]:
        """Why nodes have no engine, by Ray's id."""
        silent = dict.fromkeys(self._taking, "it has not answered yet")
        return {key: why for key, why in {**self._failed, **silent}.items() if key in self.hosts}

    async def look(self, node_id: str = "") -> None:
        """See which nodes there are now, and take in one of them; all, if none is named.

        It does not wait for others, of which one may not answer. Who gives up waiting keeps no
        node from being taken in, since others wait for that too.
        """
        await self._look()
        taking = [each for key, each in self._taking.items() if node_id in ("", key)]
        if taking:
            await asyncio.wait(taking)

    async def _watch(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
                said = ""
            except EngineUnavailable as error:  # as long as it lasts, it is said once
                if not said:
                    log.warning("the nodes of the Ray cluster cannot be listed: %s", error.reason)
                said = error.reason
            except Exception:
                log.exception("the nodes of the Ray cluster cannot be listed")

    async def _look(self) -> None:
        """Begin to take in nodes that have joined, and engines that died on nodes which live."""
        listed = await self._calls(self._ray.nodes)
        live = [each for each in listed if each["Alive"]]
        self.totals = {each["NodeID"]: each["Resources"] for each in live}
        self.hosts = {each["NodeID"]: each["NodeManagerAddress"] for each in live}
        for each in live:
            node_id = each["NodeID"]
            if node_id not in self.engines and node_id not in self._taking:
                taking = self._taking[node_id] = background(self._take(each))
                taking.add_done_callback(partial(self._taken, node_id))

    def _taken(self, node_id: str, _: asyncio.Task[None]) -> None:
        del self._taking[node_id]

    async def _take(self, listed: Mapping[str, Any]) -> None:
        node_id, host = listed["NodeID"], listed["NodeManagerAddress"]
        try:
            # A little more than the actor has: Ray says more of it.
            address = await self._calls(self._address_of, node_id, host, limit=ANSWER + LIMIT)
            where = replace(RemoteAddress.parse(address), lease=LEASE)
            gone: list[str] = []  # before it is known here, of which `_over` knows nothing

            def over(reason: str) -> None:
                gone.append(reason)
                self._over(node_id, reason)

            engine = remote_engine(where, self._options, over, f"the node {host} of Ray")
            info = await engine.start()
            if gone:
                background(engine.close())
                raise EngineUnavailable(f"it is gone: {gone[0]}")
        except Exception as error:  # of Ray, of the actor or of the engine
            if self._failed.get(node_id) != str(error):
                log.warning("the node %s has no engine: %s", host, error)
            self._failed[node_id] = str(error)
            return
        taken = any(node.name == host for node in self.engines.values())
        named = f"{host} ({node_id[:8]})" if taken else host
        has_gpus = self.simulates_gpus or bool(listed["Resources"].get("GPU"))
        node = Node(named, engine, as_counted(info, has_gpus=has_gpus))
        self._failed.pop(node_id, None)
        self.engines[node_id] = node
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
        self.actors[node_id] = actor
        address: str = self._ray.get(actor.address.remote(), timeout=ANSWER)
        return address

    def _over(self, node_id: str, reason: str) -> None:
        node = self.engines.pop(node_id, None)
        if node is None:
            return
        log.warning("the node %s is gone: %s", node.name, reason)
        self._left(node, reason)
        background(node.engine.close())

    async def close(self) -> None:
        """Close the engines; the actors stay, for other runs."""
        if self._watching is not None:
            await cancel_and_wait(self._watching)
        await cancel_and_wait(*self._taking.values())
        await self._calls.close()
        nodes, self.engines = self.engines, {}
        await asyncio.gather(*(node.engine.close() for node in nodes.values()))


def as_counted(info: EngineInfo, *, has_gpus: bool) -> EngineInfo:
    """What the engine of a node is, as Ray counts what the node has.

    Processors and memory are not checked by this: Ray has other figures, and they may change.

    Args:
        info: of the engine.
        has_gpus: whether it has GPUs if its engine says so.
    """
    counted = replace(info, processors=None, memory=None)
    if has_gpus or Capability.GPU not in info.capabilities:
        return counted
    return replace(
        counted,
        capabilities=info.capabilities - {Capability.GPU},
        details={**info.details, "no GPU": "Ray knows of none there: `ray start --num-gpus N`"},
    )
