"""A sandbox on a node of a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox.engine import (
    DirectorySnapshot,
    Snapshot,
    SupportsExitSnapshots,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsPorts,
    SupportsReplacement,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsUsage,
    Task,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import (
        Connection,
        Membership,
        MemorySnapshot,
        Network,
        NetworkLog,
        Process,
        ProcessSpec,
        RootImage,
        TaskEnd,
        TaskSpec,
        Usage,
    )

    from .placer import Node, SharedPlacement
    from .snapshots import ClusterSnapshots

S = TypeVar("S", "Snapshot", "DirectorySnapshot", "MemorySnapshot")


class ClusterTask(
    Task,
    SupportsSnapshots,
    SupportsExitSnapshots,
    SupportsMounts,
    SupportsMemorySnapshots,
    SupportsPorts,
    SupportsNetworkLog,
    SupportsNetworkChange,
    SupportsReplacement,
    SupportsSidecars,
    SupportsUsage,
):
    """A sandbox on a node; what differs is what its snapshots are called.

    Args:
        node: where it is.
        task: as the engine there has it.
        snapshots: of the cluster.
        beside: makes a task beside this one.
        joins: notes that a task joins a network, which has to be on its node.
        replace: makes a task in the place of this one.

    Attributes:
        place: what it holds of its node; `None` for one that shares what another one holds.
    """

    place: SharedPlacement | None = None

    def __init__(
        self,
        node: Node,
        task: Task,
        snapshots: ClusterSnapshots,
        beside: Callable[[ClusterTask, TaskSpec], Awaitable[Task]],
        joins: Callable[[ClusterTask, Membership], None],
        replace: Callable[[ClusterTask, TaskSpec], Awaitable[Task]],
    ) -> None:
        self.node = node
        self.there = task
        self.main = task.main
        self.files = task.files
        self._snapshots = snapshots
        self._beside = beside
        self._joins = joins
        self._replace = replace

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        return await self.there.exec(spec)

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self.there.poll()

    async def wait(self) -> TaskEnd:
        """Return when it ended."""
        return await self.there.wait()

    async def kill(self) -> None:
        """End it and return when it has ended."""
        await self.there.kill()

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files."""
        taker = SupportsSnapshots.of(self.there)
        return await self._taken(partial(taker.snapshot, end=end))

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory."""
        taker = SupportsSnapshots.of(self.there)
        return await self._taken(partial(taker.snapshot_directory, path))

    async def _taken(self, take: Callable[[], Awaitable[S]]) -> S:
        taken = await self._snapshots.with_room(self.node, take, again=self._lives)
        return self._snapshots.add(self.node, taken)

    def _lives(self) -> bool:
        return self.there.poll() is None

    async def exit_snapshot(self) -> Snapshot:
        """The files as they were when the task ended."""
        taken = await SupportsExitSnapshots.of(self.there).exit_snapshot()
        return self._snapshots.add(self.node, taken)

    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes."""
        return await self._taken(SupportsMemorySnapshots.of(self.there).snapshot_memory)

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory, writable, over another one."""
        with self._snapshots.pinned(snapshot):
            if isinstance(snapshot, (DirectorySnapshot, Snapshot)):
                snapshot = await self._snapshots.bring(self.node, snapshot)
            await SupportsMounts.of(self.there).mount(path, snapshot)

    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path."""
        await SupportsMounts.of(self.there).unmount(path)

    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on."""
        return await SupportsPorts.of(self.there).connect(port)

    async def network_log(self) -> NetworkLog:
        """What programs connected to."""
        return await SupportsNetworkLog.of(self.there).network_log()

    async def usage(self) -> Usage:
        """What it used so far, or until it ended."""
        return await SupportsUsage.of(self.there).usage()

    async def set_network(self, network: Network) -> None:
        """Allow other connections than before."""
        await SupportsNetworkChange.of(self.there).set_network(network)

    async def create_replacement(self, spec: TaskSpec) -> Task:
        """Create a task in the place of this one, on the same node if that can have its files."""
        return await self._replace(self, spec)

    async def create_sidecar(self, spec: TaskSpec) -> Task:
        """Create a task that shares the limits of this one, on the same node."""
        return await self._beside(self, spec)

    async def join(self, membership: Membership) -> None:
        """Be in a network of sandboxes, although it was created in none."""
        self._joins(self, membership)
        await SupportsSidecars.of(self.there).join(membership)
