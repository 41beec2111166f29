"""A sandbox on another machine."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    DirectorySnapshot,
    EndCause,
    InvalidSpec,
    MemorySnapshot,
    Snapshot,
    SupportsExitSnapshots,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsPorts,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsUsage,
    Task,
    check_membership,
    check_network,
    check_process,
)

from ..wire.failures import on
from ..wire.images import name_from_wire, root_image_to_wire
from ..wire.networks import membership_to_wire, network_log_from_wire, network_to_wire
from ..wire.processes import process_to_wire
from ..wire.tasks import end_from_wire
from ..wire.texts import text_from_wire, text_to_wire
from ..wire.usages import usage_from_wire
from .files import RemoteFiles, checked_path
from .life import TaskLife
from .long_call import LongCall
from .port import connect
from .process import RemoteProcess
from .sendable import sendable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import (
        Connection,
        Membership,
        Network,
        NetworkLog,
        Process,
        ProcessSpec,
        RootImage,
        TaskEnd,
        TaskLost,
        TaskSpec,
        Usage,
    )

    from .calls import NearCalls


class BegunTask:
    """A task that the far side has created.

    Args:
        call: of `Create`.
        first: its first report.
    """

    def __init__(self, call: LongCall[BegunTask], first: pb.Report) -> None:
        started = first.started
        self.call = call
        self.life = TaskLife(started.task)
        self.main = RemoteProcess(call, started) if started.has_main else None
        self.folder = text_from_wire(started.folder)
        self.default_workdir = text_from_wire(started.default_workdir)
        call.on_report, call.on_end = self._reported, self._ended
        self._reported(first)

    def _reported(self, report: pb.Report) -> None:
        if self.main is not None:
            self.main.reported(report)
        if report.HasField("end"):
            end = end_from_wire(report.end)
            if end.cause is EndCause.LOST and end.lost is None:
                end = replace(end, detail=on(self.call.host, end.detail))
            self.life.over(end)

    def _ended(self, lost: TaskLost | None) -> None:
        if self.life.end is None:
            self.life.lose(lost or self.call.no_end())
        if self.main is not None:
            self.main.over(lost)


class RemoteTask(
    Task,
    SupportsSnapshots,
    SupportsExitSnapshots,
    SupportsMounts,
    SupportsMemorySnapshots,
    SupportsPorts,
    SupportsNetworkLog,
    SupportsNetworkChange,
    SupportsSidecars,
    SupportsUsage,
):
    """A sandbox on another machine, whose calls are made there.

    Args:
        calls: of the engine.
        begun: the task as it was created.
        create: makes a task beside another, by its number.
        release: told the number when nobody has this object any more.
    """

    def __init__(
        self,
        calls: NearCalls,
        begun: BegunTask,
        create: Callable[[TaskSpec, int | None], Awaitable[Task]],
        release: Callable[[int], None],
    ) -> None:
        self.main: RemoteProcess | None = begun.main
        self.folder, self.default_workdir = begun.folder, begun.default_workdir
        self._calls = calls.of_tasks
        self._stub = calls.stub
        self._life = begun.life
        self._begun = begun
        self._create = create
        self._number = begun.life.number
        self.files = RemoteFiles(self._calls, begun.life)
        weakref.finalize(self, release, self._number).atexit = False

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        check_process(spec)
        self._life.check()
        message = sendable(process_to_wire, spec)
        first = pb.Order(exec=pb.ExecRequest(task=self._number, spec=message))
        call = LongCall(self._calls, self._stub.Exec, first, _begin_process)
        return await call.start()

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self._life.end

    async def wait(self) -> TaskEnd:
        """Return when it ended."""
        return await self._life.wait()

    async def kill(self) -> None:
        """End it and return when it has ended."""
        if self._life.end is None:
            self._begun.call.order(pb.Order(kill=True))
            await self._life.wait()

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files."""
        self._life.check()
        request = pb.SnapshotRequest(task=self._number, end=end)
        try:
            reply = await self._calls.ask(self._stub.Snapshot, request)
        finally:
            if end:
                await self.kill()
        return Snapshot(self._name(reply))

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory."""
        request = self._path(path)
        reply = await self._calls.ask(self._stub.SnapshotDirectory, request)
        return DirectorySnapshot(self._name(reply))

    async def exit_snapshot(self) -> Snapshot:
        """The files as they were when the task ended."""
        reply = await self._calls.ask(self._stub.ExitSnapshot, self._request())
        return Snapshot(self._name(reply))

    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes."""
        self._life.check()
        reply = await self._calls.ask(self._stub.SnapshotMemory, self._request())
        return MemorySnapshot(self._name(reply))

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory, writable, over another one."""
        self._life.check()
        request = pb.MountRequest(task=self._number, path=checked_path(path))
        if isinstance(snapshot, DirectorySnapshot):
            request.directory = text_to_wire(snapshot.name)
        elif snapshot is not None:
            request.image.CopyFrom(root_image_to_wire(snapshot))
        await self._calls.ask(self._stub.Mount, request)

    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path."""
        await self._calls.ask(self._stub.Unmount, self._path(path))

    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on."""
        self._life.check()
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise InvalidSpec(f"port {port!r} is not a number from 1 to 65535")
        return await connect(self._calls, self._life, port)

    async def network_log(self) -> NetworkLog:
        """What programs connected to."""
        reply = await self._calls.ask(self._stub.NetworkLog, self._request())
        with self._calls.honest():
            return network_log_from_wire(reply)

    async def usage(self) -> Usage:
        """What it used so far, or until it ended."""
        return usage_from_wire(await self._calls.ask(self._stub.Usage, self._request()))

    async def set_network(self, network: Network) -> None:
        """Allow other connections than before."""
        self._life.check()
        check_network(network)
        message = sendable(network_to_wire, network)
        request = pb.SetNetworkRequest(task=self._number, network=message)
        await self._calls.ask(self._stub.SetNetwork, request)

    async def create_sidecar(self, spec: TaskSpec) -> Task:
        """Create a task that shares the limits of this one."""
        self._life.check()
        return await self._create(spec, self._number)

    async def join(self, membership: Membership) -> None:
        """Be in a network of sandboxes, although it was created in none."""
        self._life.check()
        check_membership(membership)
        message = sendable(membership_to_wire, membership)
        request = pb.JoinRequest(task=self._number, membership=message)
        await self._calls.ask(self._stub.Join, request)

    def _request(self) -> pb.TaskRequest:
        return pb.TaskRequest(task=self._number)

    def _name(self, reply: pb.SnapshotReply) -> str:
        with self._calls.honest():
            return name_from_wire(reply.name)

    def _path(self, path: str) -> pb.PathRequest:
        self._life.check()
        return pb.PathRequest(task=self._number, path=checked_path(path))


def _begin_process(call: LongCall[RemoteProcess], first: pb.Report) -> RemoteProcess:
    process = RemoteProcess(call, first.started)
    call.on_report, call.on_end = process.reported, process.over
    process.reported(first)
    return process
