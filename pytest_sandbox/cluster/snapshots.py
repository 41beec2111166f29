"""Where the snapshots of a cluster are: each on the node that took it, and copied to others."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox.engine import (
    DirectorySnapshot,
    EngineUnavailable,
    MemorySnapshot,
    Snapshot,
    SupportsExport,
    SupportsForget,
    TaskLost,
    UnknownImage,
)

from .directories import copy_directory
from .everywhere import everywhere

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_sandbox.engine import AnySnapshot

    from .placer import Node

S = TypeVar("S", bound=Snapshot | DirectorySnapshot | MemorySnapshot)
#: What can be copied.
F = TypeVar("F", bound=Snapshot | DirectorySnapshot)


class ClusterSnapshots:
    """The snapshots of a cluster, by names that mean the same on every node.

    A snapshot of files is copied to a node when that needs it, once. One of processes stays where
    it was taken.

    Args:
        nodes: those of the cluster, now and later.
    """

    def __init__(self, nodes: Collection[Node]) -> None:
        self._nodes = nodes
        self._places: dict[AnySnapshot, dict[Node, AnySnapshot]] = {}
        self._lost: dict[AnySnapshot, str] = {}  # with the node of this name
        self._copying: dict[tuple[AnySnapshot, Node], asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)

    def add(self, node: Node, snapshot: S) -> S:
        """Give a new snapshot of a node its name in the cluster."""
        named = type(snapshot)(f"{next(self._numbers)}:{snapshot.name}")
        self._places[named] = {node: snapshot}
        return named

    def nodes(self, snapshot: AnySnapshot) -> list[Node]:
        """The nodes that have a snapshot.

        Raises:
            UnknownImage: there is none of that name, or it was lost with the nodes that had it.
        """
        try:
            return list(self._places[snapshot])
        except KeyError:
            lost = self._lost.get(snapshot)
            why = f": it was on {lost}, which is gone" if lost else ""
            raise UnknownImage(f"there is no snapshot {snapshot}{why}") from None

    def on(self, node: Node, snapshot: S) -> S:
        """The name that a snapshot has on a node which has it.

        Raises:
            UnknownImage: there is none of that name there.
        """
        if node not in self.nodes(snapshot):
            raise UnknownImage(f"there is no snapshot {snapshot} on {node.name}")
        found = self._places[snapshot][node]
        assert isinstance(found, type(snapshot))
        return found

    async def bring(self, node: Node, snapshot: F) -> F:
        """Copy a snapshot to a node that does not have it; the name that it has there.

        Raises:
            UnknownImage, StoreFull, EngineUnavailable: it cannot be copied.
        """
        if node in self.nodes(snapshot):
            return self.on(node, snapshot)
        key = snapshot, node
        copying = self._copying.get(key)
        if copying is None:
            copying = self._copying[key] = asyncio.ensure_future(self._copy(node, snapshot))
            copying.add_done_callback(lambda _: self._copying.pop(key, None))
        copied: F = await asyncio.shield(copying)
        return copied

    async def _copy(self, node: Node, snapshot: F) -> F:
        sources = self.nodes(snapshot)
        for source in sources:
            try:
                copy: Any = await self._copied(source, snapshot, node)
                break
            except (EngineUnavailable, TaskLost):
                if source is sources[-1] or node not in self._nodes:
                    raise  # otherwise it may be the source that is gone
        if snapshot not in self._places:  # forgotten meanwhile
            await SupportsForget.of(node.engine).forget(copy)
            raise UnknownImage(f"there is no snapshot {snapshot}")
        self._places[snapshot][node] = copy
        copied: F = copy
        return copied

    async def _copied(self, source: Node, snapshot: F, target: Node) -> Any:
        there = self.on(source, snapshot)
        if isinstance(there, Snapshot):
            stream = SupportsExport.of(source.engine).export(there)
            return await SupportsExport.of(target.engine).load(stream)
        return await copy_directory(source.engine, there, target.engine)

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot on all nodes; does nothing if there is none."""
        self._lost.pop(snapshot, None)
        places = self._places.pop(snapshot, {})
        await everywhere(
            places,
            self._nodes,
            lambda node: SupportsForget.of(node.engine).forget(places[node]),
        )

    def lose(self, node: Node) -> None:
        """Forget what was on a node that is gone."""
        for snapshot, places in list(self._places.items()):
            places.pop(node, None)
            if not places:
                del self._places[snapshot]
                self._lost[snapshot] = node.name
