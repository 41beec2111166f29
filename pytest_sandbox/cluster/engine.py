"""The engine of a cluster: it places sandboxes, and takes to nodes what they need there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import (
    Engine,
    EngineInfo,
    EngineUnavailable,
    OciImage,
    PackageDatabase,
    Snapshot,
    StoreFull,
    SupportsChange,
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
    Unsupported,
    check_task,
)
from pytest_sandbox.remote import ImageStoreHere

from .anchors import Anchors, undisputed
from .everywhere import everywhere
from .faults import ClusterFaults
from .images import ClusterImages
from .info import are_alike, info_of
from .placer import NodesChanged, SharedPlacement
from .snapshots import ClusterSnapshots
from .task import ClusterTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

    from pytest_sandbox.engine import AnySnapshot, Clock, ConnectionFault, Membership, Task
    from pytest_sandbox.images import ImageStore

    from .anchors import Anchor
    from .placer import Node, Placement, Placer


class ClusterEngine(
    Engine,
    SupportsChange,
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
        self._images = ClusterImages()
        self._image_store = ImageStoreHere()
        self._anchors = Anchors()
        self._faults = ClusterFaults(self._nodes)
        self._info: EngineInfo | None = None
        self._started = False

    async def start(self) -> EngineInfo:
        """Find the nodes, and start their engines.

        Raises:
            EngineUnavailable: there is no cluster, or no node of it can run an engine.
        """
        await self._placer.start(self._joined, self._left)
        self._started = True
        return self.info

    @property
    def info(self) -> EngineInfo:
        """What the cluster is now; once all nodes are gone, what it was."""
        assert self._info is not None, "it is not started"
        return self._info

    async def create(self, spec: TaskSpec) -> Task:
        """Create a task on a node, and start its main process."""
        check_task(spec)
        full: dict[Node, StoreFull] = {}
        while True:
            anchors = self._anchors.enter(spec)
            placement: Placement | None = None
            try:
                placement = await self._place(spec, anchors, full)
                node = placement.node
                there = await self._create_on(node, spec, node.engine.create)
            except BaseException as error:
                await self._let_go(placement, anchors)
                if placement is None:
                    raise
                lost = placement.node not in self._nodes and isinstance(error, EngineUnavailable)
                if isinstance(error, StoreFull) and error.forgetting_helps:
                    full[placement.node] = error
                elif not lost:
                    raise
                continue  # another node will do
            return self._made(there, SharedPlacement(placement), anchors)

    async def _place(
        self, spec: TaskSpec, anchors: Sequence[Anchor], full: Mapping[Node, StoreFull]
    ) -> Placement:
        """A place for a task, which decides where others have to be.

        Args:
            spec: of the task.
            anchors: what it shares.
            full: nodes that have no room for it.
        """
        async with undisputed(anchors):
            while True:
                possible = self._possible(spec, anchors)
                among = [node for node in possible if node not in full]
                if not among:
                    raise full[possible[0]]
                try:
                    placement = await self._placer.place(spec, among)
                except NodesChanged:
                    continue
                node = placement.node
                if all(anchor.node in (None, node) for anchor in anchors):
                    break
                await placement.release()  # a sandbox joined the network meanwhile, elsewhere
            for anchor in anchors:
                anchor.node = node if node in self._nodes else None
            return placement

    async def _let_go(
        self, placement: Placement | SharedPlacement | None, anchors: Sequence[Anchor]
    ) -> None:
        self._anchors.leave(anchors)
        if placement is not None:
            await placement.release()

    async def _ended(
        self, task: Task, place: SharedPlacement | None, anchors: Sequence[Anchor]
    ) -> None:
        await task.wait()
        await self._let_go(place, anchors)

    async def _beside(self, task: ClusterTask, spec: TaskSpec) -> Task:
        make = SupportsSidecars.of(task.there).create_sidecar
        return self._task(task.node, await self._create_on(task.node, spec, make))

    async def _replace(self, task: ClusterTask, spec: TaskSpec) -> Task:
        """A task in the place of another one; if its files are elsewhere, in a place of its own."""
        check_task(spec)
        node, place = task.node, task.place
        files_can_be_there = (
            not isinstance(spec.image, Snapshot)
            or are_alike(self._nodes)
            or node in self._snapshots.nodes(spec.image)
        )
        anchors = self._anchors.enter(spec)
        fits = files_can_be_there and all(each.node in (None, node) for each in anchors)
        if place is None or not fits or not place.share():
            self._anchors.leave(anchors)
            return await self.create(spec)
        for anchor in anchors:
            anchor.node = node
        try:
            there = await self._create_on(node, spec, node.engine.create)
        except BaseException:
            await self._let_go(place, anchors)
            raise
        return self._made(there, place, anchors)

    def _made(self, there: Task, place: SharedPlacement, anchors: Sequence[Anchor]) -> ClusterTask:
        background(self._ended(there, place, anchors))
        made = self._task(place.node, there)
        made.place = place
        return made

    def _task(self, node: Node, there: Task) -> ClusterTask:
        snapshots = self._snapshots
        return ClusterTask(node, there, snapshots, self._beside, self._join, self._replace)

    def _join(self, task: ClusterTask, membership: Membership) -> None:
        """Note that a task joins a network later; others in it will be on its node.

        Raises:
            Unsupported: the network is on another node.
        """
        background(self._ended(task.there, None, self._anchors.join(membership, task.node)))

    async def _create_on(
        self, node: Node, spec: TaskSpec, make: Callable[[TaskSpec], Awaitable[Task]]
    ) -> Task:
        async def made() -> Task:
            return await make(await self._there(node, spec))

        with self._snapshots.pinned(spec.image, spec.resume):
            return await self._snapshots.with_room(node, made)

    async def _there(self, node: Node, spec: TaskSpec) -> TaskSpec:
        """A specification with what it refers to by its names on a node, where that is then."""
        if spec.resume is not None:
            return replace(spec, resume=self._snapshots.on(node, spec.resume))
        if isinstance(spec.image, Snapshot):
            return replace(spec, image=await self._snapshots.bring(node, spec.image))
        if isinstance(spec.image, OciImage):
            await self._images.bring(node, spec.image)
        return spec

    # Nodes

    def _possible(self, spec: TaskSpec, anchors: Sequence[Anchor]) -> list[Node]:
        """The nodes that a task can be on.

        Raises:
            EngineUnavailable: there is none.
            UnknownImage: what it is to be made from is on none.
            Unsupported: it needs what is on different ones.
        """
        possible = self._live()
        bound: list[tuple[str, list[Node]]] = []
        if spec.resume is not None:
            bound.append((f"{spec.resume}", self._snapshots.nodes(spec.resume)))
        elif isinstance(spec.image, Snapshot) and not are_alike(self._nodes):
            bound.append((f"{spec.image}", self._snapshots.nodes(spec.image)))
        bound += [(each.words, [each.node]) for each in anchors if each.node is not None]
        for what, nodes in bound:
            possible = [node for node in possible if node in nodes]
            if not possible:
                others = ", ".join(each for each, _ in bound if each != what)
                raise Unsupported(
                    "sandbox on several machines",
                    f"{what} is on {nodes[0].name}, and {others or 'the rest'} elsewhere",
                )
        return possible

    def _live(self) -> list[Node]:
        if not self._nodes:
            gone = "has no machine left" if self._started else "is not started"
            raise EngineUnavailable(f"the cluster {self._placer.name} {gone}")
        return list(self._nodes)

    def _joined(self, node: Node) -> None:
        self._nodes.append(node)
        self._info = info_of(self._placer.name, self._nodes)
        self._faults.joined(node)

    def _left(self, node: Node, reason: str) -> None:
        self._nodes.remove(node)
        if self._nodes:
            self._info = info_of(self._placer.name, self._nodes)
        self._images.lose(node)
        self._snapshots.lose(node)
        self._anchors.lose(node)

    # Snapshots

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot, on all nodes."""
        await self._snapshots.forget(snapshot)

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage on the node that had no room."""
        return self._snapshots.frees(snapshot)

    def lost(self, snapshot: AnySnapshot) -> str:
        """Where a snapshot was, with which it is gone, and what to do; empty if it is there."""
        return self._snapshots.lost(snapshot)

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
        node = self._snapshots.nodes(below)[0] if below else self._live()[0]
        there = None if below is None else self._snapshots.on(node, below)
        loading = partial(SupportsExport.of(node.engine).load, stream, below=there)
        return self._snapshots.add(node, await self._snapshots.with_room(node, loading))

    async def flatten(self, snapshot: Snapshot) -> Snapshot:
        """The same files in fewer layers, if that is worth it."""
        node = self._snapshots.nodes(snapshot)[0]
        there = self._snapshots.on(node, snapshot)
        if not isinstance(node.engine, SupportsFlatten):  # for which layers cost nothing
            return snapshot
        with self._snapshots.pinned(snapshot):
            flat = await self._snapshots.with_room(node, partial(node.engine.flatten, there))
        return snapshot if flat == there else self._snapshots.add(node, flat)

    # Images and packages

    @property
    def image_store(self) -> ImageStore:
        """Where layers of images are on this machine, before they are sent to nodes.

        Raises:
            EngineUnavailable: the environment names a store that cannot be.
        """
        return self._image_store.store

    async def unpack(self, image: OciImage) -> None:
        """Have an image ready on a node; on others, with their first sandbox of it."""
        while True:
            node = self._live()[0]
            try:
                await self._images.unpack(node, image)
            except EngineUnavailable:
                if node in self._nodes:
                    raise
            else:
                return

    @property
    def has_packages(self) -> bool:
        """Whether all nodes are machines with packages of Debian."""
        return all(
            isinstance(node.engine, SupportsPackages) and node.engine.has_packages
            for node in self._nodes
        )

    def package_database(self) -> PackageDatabase:
        """A copy of the package database of a node."""
        return SupportsPackages.of(self._live()[0].engine).package_database()

    # Volumes and faults

    async def forget_volume(self, volume: str) -> None:
        """Free a volume; tasks that have it mounted keep it."""
        node = self._anchors.forget_volume(volume)
        if node is not None:
            await everywhere(
                [node],
                self._nodes,
                lambda node: SupportsVolumes.of(node.engine).forget_volume(volume),
            )

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault of connections, on all nodes."""
        await self._faults.set(fault)

    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired, on all nodes together."""
        return await self._faults.counts(ids)

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        await self._faults.clear(ids)

    async def close(self) -> None:
        """End every task and release everything, on all nodes and here."""
        self._started = False
        await self._placer.close()
        self._nodes.clear()
        self._image_store.close()
