"""The engine of a cluster: it places sandboxes, and takes to nodes what they need there."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import (
    Capability,
    Engine,
    EngineInfo,
    EngineUnavailable,
    OciImage,
    PackageDatabase,
    Snapshot,
    SupportsConnectionFaults,
    SupportsExport,
    SupportsFlatten,
    SupportsForget,
    SupportsImages,
    SupportsPackages,
    SupportsSidecars,
    SupportsVolumes,
    SystemClock,
    TaskSpec,
    UnknownImage,
    Unsupported,
    check_task,
)
from pytest_sandbox.images import ImageError, ImageStore

from .snapshots import ClusterSnapshots
from .task import ClusterTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from pytest_sandbox.engine import AnySnapshot, Clock, ConnectionFault, Membership, Task

    from .placer import Node, Placement, Placer


class ClusterEngine(
    Engine,
    SupportsConnectionFaults,
    SupportsForget,
    SupportsExport,
    SupportsFlatten,
    SupportsImages,
    SupportsPackages,
    SupportsVolumes,
):
    """Sandboxes on several machines.

    What has to be on one machine is: sandboxes with a volume that another one has, or in a network
    with others, and copies of a memory snapshot. The first of them decides which machine it is.

    Args:
        placer: knows the nodes.
        clock: where the server takes the time from.
    """

    def __init__(self, placer: Placer, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._placer = placer
        self._nodes: list[Node] = []
        self._snapshots = ClusterSnapshots(self._nodes)
        self._unpacked: dict[Node, set[str]] = {}
        self._images: set[str] = set()
        self._volumes: dict[str, Node] = {}
        self._networks: dict[str, tuple[Node, int]] = {}  # and how many sandboxes are in it
        # One at a time: the first task with a volume or in a network decides for the others.
        self._placing = asyncio.Lock()
        self._faults: dict[str, ConnectionFault] = {}
        self._store: ImageStore | None = None
        self._started = False

    async def start(self) -> EngineInfo:
        """Find the nodes, and start their engines.

        Raises:
            EngineUnavailable: there is no cluster, or no node of it can run an engine.
        """
        await self._placer.start(self._joined, self._left)
        self._started = True
        first = self._nodes[0].info
        prints = {node.info.fingerprint for node in self._nodes}
        return replace(
            first,
            name=self._placer.name,
            mode=f"{len(self._nodes)} machines, {first.mode}",
            capabilities=_of_all(self._nodes),
            details={node.name: node.info.details.get("machine", "") for node in self._nodes},
            fingerprint=first.fingerprint if len(prints) == 1 else "",
            project="",
            processors=_largest([node.info.processors for node in self._nodes]),
            memory=_largest([node.info.memory for node in self._nodes]),
        )

    async def create(self, spec: TaskSpec) -> Task:
        """Create a task on a node, and start its main process."""
        check_task(spec)
        while True:
            placement = await self._place(spec)
            node = placement.node
            try:
                there = await node.engine.create(await self._there(node, spec))
            except BaseException as error:
                await self._release(placement, spec)
                if node in self._nodes or not isinstance(error, EngineUnavailable):
                    raise
                continue  # the node is gone, and another one will do
            background(self._ended(there, placement, spec))
            return ClusterTask(node, there, self._snapshots, self._beside, self._join)

    async def _place(self, spec: TaskSpec) -> Placement:
        """A place for a task, which decides where others have to be."""
        if not spec.volumes and spec.membership is None:
            return await self._placer.place(spec, self._possible(spec))
        async with self._placing:
            placement = await self._placer.place(spec, self._possible(spec))
            for mount in spec.volumes:
                self._volumes.setdefault(mount.volume, placement.node)
            if spec.membership is not None:
                self._enter(spec.membership.network, placement.node)
            return placement

    def _enter(self, network: str, node: Node) -> None:
        _, count = self._networks.get(network, (node, 0))
        self._networks[network] = node, count + 1

    def _leave(self, network: str) -> None:
        if network in self._networks:
            node, count = self._networks[network]
            self._networks[network] = node, count - 1
            if count == 1:
                del self._networks[network]

    async def _release(self, placement: Placement, spec: TaskSpec) -> None:
        if spec.membership is not None:
            self._leave(spec.membership.network)
        await placement.release()

    async def _ended(self, task: Task, placement: Placement, spec: TaskSpec) -> None:
        await task.wait()
        await self._release(placement, spec)

    async def _beside(self, task: ClusterTask, spec: TaskSpec) -> Task:
        there = await self._there(task.node, spec)
        made = await SupportsSidecars.of(task.there).create_sidecar(there)
        return ClusterTask(task.node, made, self._snapshots, self._beside, self._join)

    def _join(self, task: ClusterTask, membership: Membership) -> None:
        """Note that a task joins a network later; others in it will be on its node.

        Raises:
            Unsupported: the network is on another node.
        """
        node, _ = self._networks.get(membership.network, (task.node, 0))
        if node is not task.node:
            raise Unsupported(
                "network of several machines",
                f"this sandbox is on {task.node.name}, and its network on {node.name}: name the "
                "network when the sandbox is created",
            )
        self._enter(membership.network, node)
        background(self._left_network(task, membership.network))

    async def _left_network(self, task: ClusterTask, network: str) -> None:
        await task.wait()
        self._leave(network)

    async def _there(self, node: Node, spec: TaskSpec) -> TaskSpec:
        """A specification with what it refers to by its names on a node, where that is then."""
        if spec.resume is not None:
            return replace(spec, resume=self._snapshots.on(node, spec.resume))
        if isinstance(spec.image, Snapshot):
            return replace(spec, image=await self._snapshots.bring(node, spec.image))
        if isinstance(spec.image, OciImage):
            if spec.image.digest not in self._images:
                raise UnknownImage(f"{spec.image} was not unpacked")
            await self._unpack_on(node, spec.image)
        return spec

    def _possible(self, spec: TaskSpec) -> list[Node]:
        """The nodes that a task can be on.

        Raises:
            EngineUnavailable: there is none.
            UnknownImage: what it is to be made from is on none.
            Unsupported: it needs what is on different ones.
        """
        if not self._nodes:
            gone = "has no machine left" if self._started else "is not started"
            raise EngineUnavailable(f"the cluster {self._placer.name} {gone}")
        possible = list(self._nodes)
        bound: list[tuple[str, list[Node]]] = []
        if spec.resume is not None:
            bound.append((f"{spec.resume}", self._snapshots.nodes(spec.resume)))
        elif isinstance(spec.image, Snapshot) and not self._alike:
            bound.append((f"{spec.image}", self._snapshots.nodes(spec.image)))
        bound += [
            (f"the volume {name}", [self._volumes[name]])
            for name in (mount.volume for mount in spec.volumes)
            if name in self._volumes
        ]
        if spec.membership is not None and spec.membership.network in self._networks:
            bound.append(("its network", [self._networks[spec.membership.network][0]]))
        for what, nodes in bound:
            possible = [node for node in possible if node in nodes]
            if not possible:
                others = ", ".join(each for each, _ in bound if each != what)
                raise Unsupported(
                    "sandbox on several machines",
                    f"{what} is on {nodes[0].name}, and {others or 'the rest'} elsewhere",
                )
        return possible

    @property
    def _alike(self) -> bool:
        """Whether what one node has exported can be loaded by all others."""
        prints = {node.info.fingerprint for node in self._nodes}
        return len(prints) == 1 and "" not in prints

    def _joined(self, node: Node) -> None:
        self._nodes.append(node)
        self._unpacked[node] = set()
        for fault in self._faults.values():
            background(SupportsConnectionFaults.of(node.engine).set_fault(fault))

    def _left(self, node: Node, reason: str) -> None:
        self._nodes.remove(node)
        del self._unpacked[node]
        self._snapshots.lose(node)
        self._volumes = {name: at for name, at in self._volumes.items() if at is not node}
        self._networks = {
            name: (at, count) for name, (at, count) in self._networks.items() if at is not node
        }

    # Snapshots

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot, on all nodes."""
        await self._snapshots.forget(snapshot)

    async def export(
        self, snapshot: Snapshot, *, below: Snapshot | None = None
    ) -> AsyncIterator[bytes]:
        """A snapshot of all files, for `load`."""
        node = self._snapshots.nodes(snapshot)[0]
        there = None if below is None else await self._snapshots.bring(node, below)
        stream = SupportsExport.of(node.engine).export(
            self._snapshots.on(node, snapshot), below=there
        )
        async for part in stream:
            yield part

    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        """Make a snapshot of what `export` gave, on a node."""
        node = self._snapshots.nodes(below)[0] if below else self._possible(TaskSpec())[0]
        there = None if below is None else self._snapshots.on(node, below)
        loaded = await SupportsExport.of(node.engine).load(stream, below=there)
        return self._snapshots.add(node, loaded)

    async def flatten(self, snapshot: Snapshot) -> Snapshot:
        """The same files in fewer layers, if that is worth it."""
        node = self._snapshots.nodes(snapshot)[0]
        there = self._snapshots.on(node, snapshot)
        if not isinstance(node.engine, SupportsFlatten):  # for which layers cost nothing
            return snapshot
        flat = await node.engine.flatten(there)
        return snapshot if flat == there else self._snapshots.add(node, flat)

    # Images

    @property
    def image_store(self) -> ImageStore:
        """Where layers of images are on this machine, before they are sent to nodes.

        Raises:
            EngineUnavailable: the environment names a store that cannot be.
        """
        if self._store is None:
            try:
                self._store = ImageStore.of_environment(os.environ)
            except ImageError as error:
                raise EngineUnavailable(str(error)) from error
        return self._store

    async def unpack(self, image: OciImage) -> None:
        """Have an image ready on a node; on others, with their first sandbox of it."""
        await self._unpack_on(self._possible(TaskSpec())[0], image)
        self._images.add(image.digest)

    async def _unpack_on(self, node: Node, image: OciImage) -> None:
        if image.digest not in self._unpacked[node]:
            await SupportsImages.of(node.engine).unpack(image)
            self._unpacked[node].add(image.digest)

    @property
    def has_packages(self) -> bool:
        """Whether all nodes are machines with packages of Debian."""
        return all(
            isinstance(node.engine, SupportsPackages) and node.engine.has_packages
            for node in self._nodes
        )

    def package_database(self) -> PackageDatabase:
        """A copy of the package database of a node."""
        return SupportsPackages.of(self._possible(TaskSpec())[0].engine).package_database()

    # The rest

    async def forget_volume(self, volume: str) -> None:
        """Free a volume; tasks that have it mounted keep it."""
        node = self._volumes.pop(volume, None)
        if node is not None:
            await SupportsVolumes.of(node.engine).forget_volume(volume)

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault of connections, on all nodes."""
        self._faults[fault.id] = fault  # first: a node that joins meanwhile has it too
        for node in list(self._nodes):
            await SupportsConnectionFaults.of(node.engine).set_fault(fault)

    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired, on all nodes together."""
        counts: dict[str, tuple[int, int]] = {}
        for node in list(self._nodes):
            there = await SupportsConnectionFaults.of(node.engine).fault_counts(ids)
            for name, (met, affected) in there.items():
                before = counts.get(name, (0, 0))
                counts[name] = before[0] + met, before[1] + affected
        return counts

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        for name in ids:
            self._faults.pop(name, None)
        for node in list(self._nodes):
            await SupportsConnectionFaults.of(node.engine).clear_faults(ids)

    async def close(self) -> None:
        """End every task and release everything, on all nodes and here."""
        self._started = False
        await self._placer.close()
        self._nodes.clear()
        if self._store is not None:
            self._store.close()
            self._store = None


def _of_all(nodes: list[Node]) -> frozenset[Capability]:
    """What a cluster can do: what all nodes can, and what they are chosen for."""
    each = [node.info.capabilities for node in nodes]
    chosen_for = frozenset.union(*each) & {Capability.GPU}
    return (frozenset.intersection(*each) | chosen_for) - {Capability.PROJECT}


def _largest(sizes: list[int | None]) -> int | None:
    """The largest of the nodes; `None` if one of them does not say."""
    known = [size for size in sizes if size is not None]
    return max(known) if len(known) == len(sizes) else None
