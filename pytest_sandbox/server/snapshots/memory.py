"""Snapshots of files and running processes, which any number of sandboxes can go on from."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from grpclib import GRPCError

from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox._shared.async_tasks import retrieve, within
from pytest_sandbox.engine import (
    Clock,
    EngineError,
    MemorySnapshot,
    SupportsMemorySnapshots,
    TaskSpec,
)

from ..model.ids import Ids
from ..model.images import Image
from ..model.retention import Retention
from ..model.sandbox import Box
from ..rpc.errors import not_found, precondition
from .store import Kept, Shelf

#: Failed snapshots whose reason can still be asked for.
FAILURES = 1000


@dataclass(eq=False)
class MemorySnapshotRecord:
    """A sandbox as it was, or will be once the snapshot is taken.

    Attributes:
        id: begins with `sn-`.
        app_id: of the app of the sandbox.
        definition: what the client had asked for.
        tags: name to value.
        image: what its files had started as.
        spec: what the engine had been asked for.
        taking: the engine's snapshot, when it is taken; or why it was not.
    """

    id: str
    app_id: str
    definition: sandboxes_pb2.Sandbox
    tags: Mapping[str, str]
    image: Image
    spec: TaskSpec
    taking: "asyncio.Future[MemorySnapshot]"


class MemorySnapshots:
    """Those of one server."""

    def __init__(self, shelf: Shelf, clock: Clock, ids: Ids) -> None:
        self._shelf = shelf
        self._clock = clock
        self._ids = ids
        self._snapshots: dict[str, MemorySnapshotRecord] = {}
        self._failures = Retention[str](FAILURES, 0, self._gone)

    def take(self, box: Box) -> MemorySnapshotRecord:
        """Begin to take a snapshot.

        Raises:
            GRPCError: FAILED_PRECONDITION: the sandbox was not created for that.
            TaskEnded: it is over.
        """
        if not box.spec.freezable:
            raise precondition(
                f"Sandbox {box.id!r} cannot be kept with its processes: create it with "
                "_experimental_enable_snapshot=True"
            )
        box.check_running()
        snapshot_id = self._ids.new("sn")
        snapshot = self._snapshots[snapshot_id] = MemorySnapshotRecord(
            snapshot_id,
            box.app_id,
            box.definition,
            dict(box.tags),
            box.image,
            box.spec,
            asyncio.ensure_future(self._take(box, snapshot_id)),
        )
        snapshot.taking.add_done_callback(retrieve)
        return snapshot

    async def _take(self, box: Box, snapshot_id: str) -> MemorySnapshot:
        try:
            with box.lifetime.activity():
                async with box.turn:
                    box.check_running()
                    taker = SupportsMemorySnapshots.of(box.task)
                    taken = await self._shelf.with_room(taker.snapshot_memory)
        except BaseException:
            self._failures.add(snapshot_id, 0)
            raise
        below = box.snapshot_id or box.image.kept
        self._shelf.put(Kept(snapshot_id, taken, below, gone=lambda: self._gone(snapshot_id)))
        return taken

    def get(self, snapshot_id: str) -> MemorySnapshotRecord:
        """A snapshot by id, which is used with this.

        Raises:
            GRPCError: NOT_FOUND.
        """
        snapshot = self._snapshots.get(snapshot_id)
        if snapshot is None:
            raise not_found("Snapshot", snapshot_id, self._shelf.why(snapshot_id))
        if snapshot.taking.done() and failure(snapshot) is None:
            self._shelf.use("Snapshot", snapshot_id)
        return snapshot

    async def is_taken(self, snapshot: MemorySnapshotRecord, seconds: float) -> bool:
        """Whether it is taken, or failed, within that time."""
        if not snapshot.taking.done() and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self._clock, seconds, _over(snapshot))
        return snapshot.taking.done()

    async def taken(self, snapshot: MemorySnapshotRecord) -> MemorySnapshot:
        """The engine's snapshot, once it is taken.

        Raises:
            GRPCError: FAILED_PRECONDITION: it was not, and why.
        """
        await _over(snapshot)
        reason = failure(snapshot)
        if reason is not None:
            raise precondition(f"Snapshot {snapshot.id!r} failed: {reason}")
        return snapshot.taking.result()

    def _gone(self, snapshot_id: str) -> None:
        del self._snapshots[snapshot_id]


def failure(snapshot: MemorySnapshotRecord) -> str | None:
    """Why it could not be taken; `None` if it was."""
    error = snapshot.taking.exception()
    if error is None:
        return None
    if isinstance(error, GRPCError):
        return error.message or error.status.name
    return str(error) if isinstance(error, EngineError) else repr(error)


async def _over(snapshot: MemorySnapshotRecord) -> None:
    await asyncio.wait({snapshot.taking})
