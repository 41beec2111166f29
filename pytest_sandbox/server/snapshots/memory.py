"""Snapshots of files and running processes, from which any number of sandboxes can resume."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from grpclib import GRPCError

from pytest_sandbox._proto import sandboxes_pb2
from pytest_sandbox._shared.async_tasks import retrieve, within
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import (
    Clock,
    EngineError,
    MemorySnapshot,
    SupportsMemorySnapshots,
    TaskSpec,
)

from ..model.ids import Family, Ids
from ..model.images import ImageRecord
from ..model.retention import Retention
from ..model.sandbox import ServedSandbox
from ..rpc.errors import not_found, precondition
from .store import SnapshotStore, StoredSnapshot

#: The most failed snapshots that are stored with their reason.
FAILURES = 1000


@dataclass(eq=False)
class MemorySnapshotRecord:
    """A memory snapshot, taken or being taken, and what a sandbox needs to resume from it.

    Attributes:
        id: begins with `sn-`.
        family: that of the sandbox.
        app_id: of the app of the sandbox.
        definition: that of the sandbox.
        tags: those of the sandbox, name to value.
        image: that of the sandbox.
        spec: that of the sandbox.
        taking: the engine's snapshot once it is taken, or the error.
    """

    id: str
    family: Family
    app_id: str
    definition: sandboxes_pb2.Sandbox
    tags: Mapping[str, str]
    image: ImageRecord
    spec: TaskSpec
    taking: "asyncio.Future[MemorySnapshot]"


class MemorySnapshots:
    """The memory snapshots of one server.

    Args:
        store: stores them.
        clock: the engine's.
        ids: makes their ids.
    """

    def __init__(self, store: SnapshotStore, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._snapshots: dict[str, MemorySnapshotRecord] = {}
        self._failures = Retention[str](FAILURES, 0)

    def take(self, sandbox: ServedSandbox) -> MemorySnapshotRecord:
        """Begin to take a snapshot.

        Raises:
            GRPCError: FAILED_PRECONDITION: the sandbox was not created with `enable_snapshot`.
            TaskEnded: the sandbox has ended.
        """
        if not sandbox.spec.freezable:
            raise precondition(
                f"Sandbox {sandbox.id!r} has no snapshots of its processes: create it with "
                "_experimental_enable_snapshot=True"
            )
        sandbox.check_running()
        snapshot_id = self._ids.new("sn")
        snapshot = self._snapshots[snapshot_id] = MemorySnapshotRecord(
            snapshot_id,
            sandbox.family,
            sandbox.app_id,
            sandbox.definition,
            dict(sandbox.tags),
            sandbox.image,
            sandbox.spec,
            asyncio.ensure_future(self._take(sandbox, snapshot_id)),
        )
        snapshot.taking.add_done_callback(retrieve)
        return snapshot

    async def _take(self, sandbox: ServedSandbox, snapshot_id: str) -> MemorySnapshot:
        try:
            with sandbox.lifetime.activity():
                async with sandbox.lock:
                    sandbox.check_running()
                    taker = SupportsMemorySnapshots.of(sandbox.task)
                    taken = await self._store.with_room(taker.snapshot_memory)
        except BaseException:
            # Clients ask for the reason in a later call, so a failed snapshot is remembered.
            for evicted in self._failures.add(snapshot_id, 0):
                self._removed(evicted)
            raise
        depends_on = sandbox.resumed_from or sandbox.image.snapshot_id
        self._store.add(
            StoredSnapshot(
                snapshot_id, taken, depends_on, on_removal=lambda: self._removed(snapshot_id)
            )
        )
        return taken

    def get(self, snapshot_id: str) -> MemorySnapshotRecord:
        """A snapshot by id; this counts as a use of it.

        Raises:
            GRPCError: NOT_FOUND.
        """
        snapshot = self._snapshots.get(snapshot_id)
        if snapshot is None:
            raise not_found("Snapshot", snapshot_id, self._store.why_removed(snapshot_id))
        if snapshot.taking.done() and failure(snapshot) is None:
            self._store.use("Snapshot", snapshot_id)
        return snapshot

    async def is_taken(self, snapshot: MemorySnapshotRecord, seconds: float) -> bool:
        """Whether it is taken, or has failed; waits for that many seconds."""
        if not snapshot.taking.done() and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self._clock, seconds, _over(snapshot))
        return snapshot.taking.done()

    async def taken(self, snapshot: MemorySnapshotRecord) -> MemorySnapshot:
        """The engine's snapshot, once it is taken.

        Raises:
            GRPCError: FAILED_PRECONDITION: it could not be taken; the message says why.
        """
        await _over(snapshot)
        reason = failure(snapshot)
        if reason is not None:
            raise precondition(f"Snapshot {snapshot.id!r} failed: {reason}")
        return snapshot.taking.result()

    def _removed(self, snapshot_id: str) -> None:
        del self._snapshots[snapshot_id]


def failure(snapshot: MemorySnapshotRecord) -> str | None:
    """Why a snapshot could not be taken; `None` if it was."""
    error = snapshot.taking.exception()
    if error is None:
        return None
    if isinstance(error, GRPCError):
        return error.message or error.status.name
    return str(error) if isinstance(error, EngineError) else repr(error)


async def _over(snapshot: MemorySnapshotRecord) -> None:
    await asyncio.wait({snapshot.taking})
