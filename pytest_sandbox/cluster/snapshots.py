"""Where the snapshots of a cluster are: each on the node that took it, and copied to others."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox.engine import (
    DirectorySnapshot,
    EngineUnavailable,
    MemorySnapshot,
    Snapshot,
    StoreFull,
    SupportsExport,
    SupportsForget,
    TaskLost,
    UnknownImage,
)

from .directories import copy_directory
from .everywhere import everywhere

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from pytest_sandbox.engine import AnySnapshot

    from .placer import Node

R = TypeVar("R")
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
        self._pins: Counter[object] = Counter()
        self._full: Node | None = None  # the last one that had no room

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
            why = self.lost(snapshot)
            raise UnknownImage(f"there is no snapshot {snapshot}{why and ': '}{why}") from None

    def on(self, node: Node, snapshot: S) -> S:
        """The name that a snapshot has on a node which has it.

        Raises:
            UnknownImage: there is none of that name there.
        """
        if node not in self.nodes(snapshot):
            raise UnknownImage(f"there is no snapshot {snapshot} on {node.name}")
        found = self._places[snapshot][node]
        assert isinstance(found, type(snapshot))
        self._places[snapshot] = self._places.pop(snapshot)  # the one used last is the last
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
        with self.pinned(snapshot):
            return await self._copy_pinned(node, snapshot)

    async def _copy_pinned(self, node: Node, snapshot: F) -> F:
        sources = self.nodes(snapshot)
        for source in sources:
            try:
                copy: Any = await self.with_room(
                    node, partial(self._copied, source, snapshot, node)
                )
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

    @contextmanager
    def pinned(self, *snapshots: object) -> Iterator[None]:
        """Make no room with copies of these inside of the `with` block."""
        self._pins.update(snapshots)
        try:
            yield
        finally:
            self._pins.subtract(snapshots)
            self._pins = +self._pins  # without those that nobody pins any more

    async def with_room(
        self,
        node: Node,
        take: Callable[[], Awaitable[R]],
        *,
        again: Callable[[], bool] = lambda: True,
    ) -> R:
        """The result of `take`, which needs room on a node.

        While it has none, copies are forgotten there that another node has too: they are brought
        again when they are needed.

        Args:
            node: the node.
            take: what needs room.
            again: whether that can be tried again once it has failed.

        Raises:
            StoreFull: there is none; `frees` says of which snapshots there would be some.
        """
        while True:
            try:
                return await take()
            except StoreFull as error:  # noqa: PERF203 - each turn is an attempt
                self._full = node
                if not error.forgetting_helps or not again():
                    raise
                if not await self._forget_copy(node):
                    raise

    async def _forget_copy(self, node: Node) -> bool:
        """Forget the copy on a node that was used the longest ago; `False` if there is none."""
        for snapshot, places in self._places.items():
            copied = node in places and len(places) > 1 and not self._pins[snapshot]
            if copied and self._frees(node, snapshot):
                await SupportsForget.of(node.engine).forget(places.pop(node))
                return True
        return False

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage on the node that had no room."""
        return self._full is None or self._frees(self._full, snapshot)

    def _frees(self, node: Node, snapshot: AnySnapshot) -> bool:
        there = self._places.get(snapshot, {}).get(node)
        return there is not None and SupportsForget.of(node.engine).frees(there)

    def lost(self, snapshot: AnySnapshot) -> str:
        """Where a snapshot was, with which it is gone; empty if it is there, or was forgotten."""
        name = self._lost.get(snapshot)
        return f"it was on {name}, which is gone: make it again" if name else ""

    def lose(self, node: Node) -> None:
        """Forget what was on a node that is gone."""
        if self._full is node:
            self._full = None
        for snapshot, places in list(self._places.items()):
            places.pop(node, None)
            if not places:
                del self._places[snapshot]
                self._lost[snapshot] = node.name
