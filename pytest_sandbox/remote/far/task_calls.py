"""Calls about a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    DirectorySnapshot,
    SupportsExitSnapshots,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsUsage,
)

from ..wire.images import name_from_wire, root_image_from_wire
from ..wire.networks import membership_from_wire, network_from_wire, network_log_to_wire
from ..wire.texts import text_from_wire, text_to_wire
from ..wire.usages import usage_to_wire

if TYPE_CHECKING:
    from pytest_sandbox.engine import AnySnapshot, RootImage

    from .held import Held


class FarTaskCalls:
    """Serves them.

    Args:
        held: what the session holds.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    async def release(self, request: pb.ReleaseRequest) -> pb.Done:
        """Nothing more will be asked of some tasks."""
        for number in request.tasks:
            self._held.release_task(number)
        return pb.Done()

    async def snapshot(self, request: pb.SnapshotRequest) -> pb.SnapshotReply:
        """Take a snapshot of all files."""
        task = SupportsSnapshots.of(self._held.task(request.task))
        return self._taken(await task.snapshot(end=request.end))

    async def snapshot_directory(self, request: pb.PathRequest) -> pb.SnapshotReply:
        """Take a snapshot of a directory."""
        task = SupportsSnapshots.of(self._held.task(request.task))
        return self._taken(await task.snapshot_directory(text_from_wire(request.path)))

    async def exit_snapshot(self, request: pb.TaskRequest) -> pb.SnapshotReply:
        """The files as they were when the task ended."""
        task = SupportsExitSnapshots.of(self._held.task(request.task))
        return self._taken(await task.exit_snapshot())

    async def snapshot_memory(self, request: pb.TaskRequest) -> pb.SnapshotReply:
        """Take a snapshot of files and processes."""
        task = SupportsMemorySnapshots.of(self._held.task(request.task))
        return self._taken(await task.snapshot_memory())

    async def mount(self, request: pb.MountRequest) -> pb.Done:
        """Mount a directory, or the root of an image, over another one."""
        task = SupportsMounts.of(self._held.task(request.task))
        mounted: DirectorySnapshot | RootImage | None = None
        if request.HasField("directory"):
            mounted = DirectorySnapshot(name_from_wire(request.directory))
        elif request.HasField("image"):
            mounted = root_image_from_wire(request.image, self._held.image)
        await task.mount(text_from_wire(request.path), mounted)
        return pb.Done()

    async def unmount(self, request: pb.PathRequest) -> pb.Done:
        """Undo the latest mount at a path."""
        task = SupportsMounts.of(self._held.task(request.task))
        await task.unmount(text_from_wire(request.path))
        return pb.Done()

    async def network_log(self, request: pb.TaskRequest) -> pb.NetworkLogReply:
        """What programs connected to."""
        task = SupportsNetworkLog.of(self._held.task(request.task))
        return network_log_to_wire(await task.network_log())

    async def usage(self, request: pb.TaskRequest) -> pb.UsageReply:
        """What it used."""
        task = SupportsUsage.of(self._held.task(request.task))
        return usage_to_wire(await task.usage())

    async def set_network(self, request: pb.SetNetworkRequest) -> pb.Done:
        """Allow other connections than before."""
        task = SupportsNetworkChange.of(self._held.task(request.task))
        await task.set_network(network_from_wire(request.network))
        return pb.Done()

    async def join(self, request: pb.JoinRequest) -> pb.Done:
        """Be in a network of tasks."""
        task = SupportsSidecars.of(self._held.task(request.task))
        await task.join(membership_from_wire(request.membership))
        return pb.Done()

    def _taken(self, snapshot: AnySnapshot) -> pb.SnapshotReply:
        self._held.add_snapshot(snapshot)
        return pb.SnapshotReply(name=text_to_wire(snapshot.name))
