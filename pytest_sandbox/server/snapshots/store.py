"""Snapshots that the engine stores for clients: of files and of memory, under ids of the server.

A snapshot is stored until its time to live ends, until a client deletes it, or until the engine
has no room for another one. Then the store evicts the least recently used snapshot that nothing
depends on: no running sandbox, no other snapshot. It passes over a snapshot whose removal would
free nothing, as the engine says.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import AnySnapshot, Engine, StoreFull, SupportsForget

from ..async_helpers import start
from ..rpc.errors import not_found

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")

#: Removed snapshots of which the reason is remembered, for the error that their clients get.
REASONS = 1000


@dataclass(frozen=True)
class StoredSnapshot:
    """One snapshot.

    Attributes:
        id: the clients' name for it.
        snapshot: the engine's own.
        depends_on: id of the snapshot that it depends on; empty if none.
        expiry: when its time to live has ended, on the engine's monotonic clock; `None` for never.
        on_removal: called when it is no longer stored.
    """

    id: str
    snapshot: AnySnapshot
    depends_on: str = ""
    expiry: float | None = None
    on_removal: Callable[[], None] = lambda: None


class SnapshotStore:
    """The snapshots of one engine, the least recently used first.

    Args:
        engine: stores their content.
        in_use: the ids of the snapshots that running sandboxes depend on.
    """

    def __init__(self, engine: Engine, in_use: Callable[[], Iterable[str]]) -> None:
        self._engine = engine
        self._in_use = in_use
        self._snapshots: OrderedDict[str, StoredSnapshot] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._forgetting: set[asyncio.Future[None]] = set()

    def add(self, snapshot: StoredSnapshot) -> None:
        """Register a snapshot that the engine has taken."""
        self._expire()
        self._snapshots[snapshot.id] = snapshot

    def use(self, kind: str, snapshot_id: str) -> StoredSnapshot:
        """A snapshot by id; this counts as a use of it.

        Args:
            kind: what it is to the client, for the message.
            snapshot_id: its id.

        Raises:
            GRPCError: NOT_FOUND; the message says why it was removed.
        """
        self._expire()
        self.lose(snapshot_id)
        snapshot = self._snapshots.get(snapshot_id)
        if snapshot is None:
            raise not_found(kind, snapshot_id, self.why_removed(snapshot_id))
        self._snapshots.move_to_end(snapshot_id)
        return snapshot

    def why_removed(self, snapshot_id: str) -> str:
        """Why a snapshot is no longer stored; empty if that is not known."""
        return self._reasons.get(snapshot_id, "")

    def pinned(self, *snapshot_ids: str) -> AbstractContextManager[None]:
        """Do not evict snapshots inside of the `with` block; an empty id is of none."""
        return _Pinned(self._pins, snapshot_ids)

    def has(self, snapshot_id: str) -> bool:
        """Whether a snapshot is stored; this is no use of it."""
        return snapshot_id in self._snapshots

    def lose(self, snapshot_id: str) -> bool:
        """Whether a snapshot was stored, and its machine is gone; from now on it is not stored."""
        snapshot = self._snapshots.get(snapshot_id)
        why = "" if snapshot is None else self._forgetter().lost(snapshot.snapshot)
        return why != "" and self._remove(snapshot_id, why) is not None

    def depends_on(self, snapshot_id: str) -> bool:
        """Whether something else depends on a snapshot."""
        return snapshot_id in self._needed()

    async def forget(self, snapshot_id: str) -> None:
        """Delete a snapshot; nothing happens if it does not exist."""
        snapshot = self._remove(snapshot_id, "it was forgotten")
        if snapshot is not None:
            await self._forgetter().forget(snapshot.snapshot)

    async def with_room(self, take: Callable[[], Awaitable[R]]) -> R:
        """The result of `take`; while the engine has no room, evict a snapshot and try again.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED: every stored snapshot is in use.
        """
        while True:
            try:
                return await take()
            except StoreFull as error:  # noqa: PERF203 - each turn is an attempt
                if not error.forgetting_helps:
                    raise
                await self._evict(error)

    async def _evict(self, need: StoreFull) -> None:
        oldest = self._evictable()
        if oldest is None:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"{need}; the {len(self._snapshots)} snapshots that are stored are all in use: "
                "end sandboxes that they were taken from, or that were created from them",
            ) from need
        self._remove(oldest.id, "it was evicted: the engine needed its room for newer snapshots")
        await self._forgetter().forget(oldest.snapshot)

    def _forgetter(self) -> SupportsForget:
        return SupportsForget.of(self._engine)

    def _evictable(self) -> StoredSnapshot | None:
        """The least recently used snapshot that nothing depends on, and that takes room."""
        needed = self._needed()
        unused = (each for key, each in self._snapshots.items() if key not in needed)
        return next((each for each in unused if self._forgetter().frees(each.snapshot)), None)

    def _needed(self) -> set[str]:
        """The snapshots that must stay."""
        depended_on = (snapshot.depends_on for snapshot in self._snapshots.values())
        return {*depended_on, *self._pins, *self._in_use()}

    def _expire(self) -> None:
        now = self._engine.clock.monotonic()
        for snapshot in list(self._snapshots.values()):
            if snapshot.expiry is not None and snapshot.expiry <= now:
                self._remove(snapshot.id, "its time to live has ended")
                forgetting = start(self._forgetter().forget(snapshot.snapshot))
                self._forgetting.add(forgetting)
                forgetting.add_done_callback(self._forgetting.discard)

    def _remove(self, snapshot_id: str, reason: str) -> StoredSnapshot | None:
        snapshot = self._snapshots.pop(snapshot_id, None)
        if snapshot is not None:
            self._reasons[snapshot_id] = reason
            if len(self._reasons) > REASONS:
                self._reasons.popitem(last=False)
            snapshot.on_removal()
        return snapshot


class _Pinned(AbstractContextManager[None]):
    """Counts what must not be evicted; a class, since most creations of sandboxes come by."""

    def __init__(self, pins: Counter[str], snapshot_ids: tuple[str, ...]) -> None:
        self._pins = pins
        self._ids = snapshot_ids

    def __enter__(self) -> None:
        for each in self._ids:
            if each:
                self._pins[each] += 1

    def __exit__(self, *_: object) -> None:
        for each in self._ids:
            if each:
                self._pins[each] -= 1
                if not self._pins[each]:
                    del self._pins[each]
