"""The engine that the server of a run holds: all that it is asked for is done elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox._shared.gpus.requests import LEASE
from pytest_sandbox.engine import (
    Engine,
    EngineInfo,
    EngineUnavailable,
    InvalidSpec,
    PackageDatabase,
    Snapshot,
    SupportsConnectionFaults,
    SupportsExport,
    SupportsFlatten,
    SupportsForget,
    SupportsImages,
    SupportsPackages,
    SupportsPrepare,
    SupportsVolumes,
    SystemClock,
    TaskSpec,
    Unsupported,
    check_connection_fault,
    check_task,
)

from ..wire.images import any_snapshot_to_wire, name_from_wire
from ..wire.infos import info_from_wire
from ..wire.networks import fault_to_wire
from ..wire.tasks import task_to_wire
from ..wire.texts import text_from_wire, text_to_wire
from .calls import NearCalls
from .image_store_here import ImageStoreHere
from .image_upload import unpack
from .long_call import LongCall
from .sendable import sendable
from .shown import host_of, shown
from .streams import parts_of, sent_and_answered
from .task import BegunTask, RemoteTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from pytest_sandbox.engine import (
        AnySnapshot,
        Clock,
        ConnectionFault,
        OciImage,
    )
    from pytest_sandbox.images import ImageStore

    from ..wire.infos import FarInfo
    from .connection import FarConnection

#: Seconds that the far side has to tell the end of all tasks, once it has ended them.
_LAST_WORDS = 10.0
#: Tasks that the far side hears of together which are not needed any more: a call takes more than a
#: task that has ended.
_RELEASED_AT_ONCE = 50
_UPLOAD = (
    "its sandboxes are on another machine, {machine}, which does not have this directory: upload "
    "what tests need of it, by sandbox.filesystem or Image.add_local_dir"
)


class RemoteEngine(
    Engine,
    SupportsConnectionFaults,
    SupportsForget,
    SupportsExport,
    SupportsFlatten,
    SupportsImages,
    SupportsPackages,
    SupportsPrepare,
    SupportsVolumes,
):
    """Sandboxes on another machine.

    Args:
        connect: connects to the far side, and begins a session.
        clock: where the server takes the time from.
        options: for the engine there; of `RUN_OPTIONS`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[FarConnection]],
        clock: Clock | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._options = options or {}
        self.clock = clock or SystemClock()
        self._connect = connect
        self._connection: FarConnection | None = None
        self._made: NearCalls | None = None
        self._far: FarInfo | None = None
        self._images = ImageStoreHere()
        self._running: set[asyncio.Task[None]] = set()
        self._released: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def _calls(self) -> NearCalls:
        if self._made is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._made

    @property
    def image_store(self) -> ImageStore:
        """Where layers of images are on this machine, before they are sent to the other one.

        Raises:
            EngineUnavailable: the environment names a store that cannot be.
        """
        return self._images.store

    async def start(self) -> EngineInfo:
        """Connect, and have an engine start there.

        Raises:
            EngineUnavailable: there is no far side, or its machine cannot run the engine.
        """
        self._loop = asyncio.get_running_loop()
        connection = self._connection = await self._connect()
        calls = NearCalls(connection)
        try:
            reply = await calls.ask(calls.stub.Start, pb.StartRequest(options=self._options))
            with calls.honest():
                far = info_from_wire(reply)
        except BaseException:
            await connection.close()
            raise
        calls.call_host(connection.host or host_of(far) or calls.host)
        self._made, self._far = calls, far
        return shown(far, _UPLOAD.format(machine=connection.machine))

    async def create(self, spec: TaskSpec) -> RemoteTask:
        """Create a task and start its main process."""
        return await self._create(spec, None)

    async def _create(self, spec: TaskSpec, beside: int | None) -> RemoteTask:
        calls = self._calls
        if beside is not None:
            calls = calls.of_tasks
        request = pb.CreateRequest(spec=self._message(spec), beside=beside)
        call = LongCall(calls, calls.stub.Create, pb.Order(create=request), BegunTask)
        begun = await call.start()
        self._running.add(call.running)
        call.running.add_done_callback(self._running.discard)
        return RemoteTask(calls, begun, self._create, self._release)

    def _message(self, spec: TaskSpec) -> pb.TaskSpec:
        check_task(spec)
        if spec.project:
            assert self._connection is not None
            raise Unsupported("project", _UPLOAD.format(machine=self._connection.machine))
        if spec.gpus is not None and spec.gpus.kind.startswith(LEASE):
            raise InvalidSpec(
                "gpus: a lease of GPUs of this machine cannot be had on another one: ask for their "
                "kind and number"
            )
        return sendable(task_to_wire, spec)

    async def prepare(self, spec: TaskSpec) -> None:
        """Make a sandbox ahead, for a `create` that is likely to come."""
        await self._calls.ask(self._calls.stub.Prepare, pb.PrepareRequest(spec=self._message(spec)))

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; its storage is freed once nothing depends on it any more."""
        if self._made is not None:
            request = pb.ForgetRequest(snapshot=any_snapshot_to_wire(snapshot))
            await self._calls.ask(self._calls.stub.Forget, request)

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage now, as the far side said when it had no room."""
        return self._made is None or snapshot not in self._made.pinned

    async def export(
        self, snapshot: Snapshot, *, below: Snapshot | None = None
    ) -> AsyncIterator[bytes]:
        """A snapshot of all files, without the machine's own below it, for `load`."""
        request = pb.ExportRequest(snapshot=text_to_wire(snapshot.name), below=_name(below))
        async with self._calls.open(self._calls.stub.Export) as call:
            await call.send(request, end=True)
            while (part := await call.receive()) is not None:
                yield part.data

    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        """Make a snapshot of what `export` gave, in this run or another."""
        first = pb.LoadRequest(below=_name(below))
        requests = parts_of(stream, first, lambda data: pb.LoadRequest(data=data))
        reply = await sent_and_answered(self._calls, self._calls.stub.Load, requests)
        return self._snapshot(reply)

    async def flatten(self, snapshot: Snapshot) -> Snapshot:
        """The same files in fewer layers, if that is worth it."""
        request = pb.FlattenRequest(snapshot=text_to_wire(snapshot.name))
        return self._snapshot(await self._calls.ask(self._calls.stub.Flatten, request))

    def _snapshot(self, reply: pb.SnapshotReply) -> Snapshot:
        with self._calls.honest():
            return Snapshot(name_from_wire(reply.name))

    async def unpack(self, image: OciImage) -> None:
        """Have an image there, and ready for sandboxes: what that machine lacks of it is sent."""
        await unpack(self._calls, image)

    @property
    def has_packages(self) -> bool:
        """Whether the other machine is one with packages of Debian."""
        return self._far is not None and self._far.packages

    def package_database(self) -> PackageDatabase:
        """A copy of its package database."""
        left_out = () if self._far is None else self._far.left_out
        return PackageDatabase(self._package_files(), left_out)

    async def _package_files(self) -> AsyncIterator[bytes]:
        async with self._calls.open(self._calls.stub.Packages) as call:
            await call.send(pb.PackagesRequest(), end=True)
            while (part := await call.receive()) is not None:
                yield part.data

    async def forget_volume(self, volume: str) -> None:
        """Free a volume; tasks that have it mounted keep it."""
        if self._made is not None:
            request = pb.VolumeRequest(volume=text_to_wire(volume))
            await self._calls.ask(self._calls.stub.ForgetVolume, request)

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault of connections, or change the one with its id."""
        check_connection_fault(fault)
        request = pb.SetFaultRequest(fault=sendable(fault_to_wire, fault))
        await self._calls.ask(self._calls.stub.SetFault, request)

    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired."""
        request = pb.FaultsRequest(ids=map(text_to_wire, ids))
        reply = await self._calls.ask(self._calls.stub.FaultCounts, request)
        return {text_from_wire(each.id): (each.met, each.affected) for each in reply.counts}

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        request = pb.FaultsRequest(ids=map(text_to_wire, ids))
        await self._calls.ask(self._calls.stub.ClearFaults, request)

    async def close(self) -> None:
        """End every task and release everything, there and here."""
        calls, self._made = self._made, None
        connection = self._connection
        if connection is None:
            return
        try:
            if calls is not None and not connection.reason:
                await calls.ask(calls.stub.Close, pb.CloseRequest())
                if self._running:
                    await asyncio.wait(self._running, timeout=_LAST_WORDS)
        except EngineUnavailable:
            pass  # it ends by itself there
        finally:
            await connection.close()
            self._images.close()

    def _release(self, task: int) -> None:
        """Nobody will ask for a task any more; called by the collector, on any thread."""
        loop = self._loop
        if loop is None or self._made is None or loop.is_closed():
            return
        self._released.append(task)
        if len(self._released) == _RELEASED_AT_ONCE:
            loop.call_soon_threadsafe(self._tell_released)

    def _tell_released(self) -> None:
        tasks, self._released = self._released, []
        if self._made is not None:
            background(self._made.ask(self._made.stub.Release, pb.ReleaseRequest(tasks=tasks)))


def _name(snapshot: Snapshot | None) -> bytes | None:
    return None if snapshot is None else text_to_wire(snapshot.name)
