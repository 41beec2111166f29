"""An engine in front of another one: its time is virtual, its room is limited, and it counts.

A mutation of what the server asks of its engine is a subclass.
"""

from collections.abc import AsyncIterator
from typing import TypeVar

from pytest_sandbox.engine import (
    AnySnapshot,
    Connection,
    DirectorySnapshot,
    Engine,
    EngineInfo,
    MemorySnapshot,
    Process,
    ProcessSpec,
    RootImage,
    Snapshot,
    StoreFull,
    SupportsExport,
    SupportsForget,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsPorts,
    SupportsPrepare,
    SupportsSnapshots,
    SupportsVolumes,
    Task,
    TaskEnd,
    TaskSpec,
)
from pytest_sandbox.fakes import VirtualClock

S = TypeVar("S", bound=AnySnapshot)


class EngineProxy(Engine, SupportsForget, SupportsExport, SupportsPrepare, SupportsVolumes):
    """Another engine, on a clock of its own that goes only when it is advanced.

    Args:
        engine: the other one, started; it stays open when this is closed.

    Attributes:
        room: how many snapshots it has room for; `None` for any number.
        snapshots: those that it stores.
        tasks: those of the other engine, all that were created through this one.
    """

    def __init__(self, engine: Engine) -> None:
        self.clock: VirtualClock = VirtualClock()
        self.room: int | None = None
        self.snapshots: list[AnySnapshot] = []
        self.tasks: list[Task] = []
        self.behind = engine

    async def start(self) -> EngineInfo:
        return await self.behind.start()

    async def create(self, spec: TaskSpec) -> Task:
        task = await self.behind.create(spec)
        self.tasks.append(task)
        return TaskProxy(task, self)

    def check_room(self) -> None:
        """Refuse another snapshot if there is no room for it."""
        if self.room is not None and len(self.snapshots) >= self.room:
            raise StoreFull("no room for another snapshot")

    async def forget(self, snapshot: AnySnapshot) -> None:
        if snapshot in self.snapshots:
            self.snapshots.remove(snapshot)
        await SupportsForget.of(self.behind).forget(snapshot)

    async def forget_volume(self, volume: str) -> None:
        await SupportsVolumes.of(self.behind).forget_volume(volume)

    async def prepare(self, spec: TaskSpec) -> None:
        if isinstance(self.behind, SupportsPrepare):
            await self.behind.prepare(spec)

    def export(self, snapshot: Snapshot, *, below: Snapshot | None = None) -> AsyncIterator[bytes]:
        return SupportsExport.of(self.behind).export(snapshot, below=below)

    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        return await SupportsExport.of(self.behind).load(stream, below=below)

    async def close(self) -> None:
        """Leave nothing in the other engine, whatever a mutation did."""
        for task in self.tasks:
            await task.kill()
        for snapshot in self.snapshots:
            await SupportsForget.of(self.behind).forget(snapshot)


class TaskProxy(Task, SupportsSnapshots, SupportsMounts, SupportsMemorySnapshots, SupportsPorts):
    """A task of the other engine.

    Args:
        task: the task.
        engine: counts its snapshots.
    """

    def __init__(self, task: Task, engine: EngineProxy) -> None:
        self.behind = task
        self.engine = engine
        self.main = task.main
        self.files = task.files

    async def exec(self, spec: ProcessSpec) -> Process:
        return await self.behind.exec(spec)

    def poll(self) -> TaskEnd | None:
        return self.behind.poll()

    async def wait(self) -> TaskEnd:
        return await self.behind.wait()

    async def kill(self) -> None:
        await self.behind.kill()

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        self.engine.check_room()
        return self._counted(await SupportsSnapshots.of(self.behind).snapshot(end=end))

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        self.engine.check_room()
        return self._counted(await SupportsSnapshots.of(self.behind).snapshot_directory(path))

    async def snapshot_memory(self) -> MemorySnapshot:
        self.engine.check_room()
        return self._counted(await SupportsMemorySnapshots.of(self.behind).snapshot_memory())

    def _counted(self, snapshot: S) -> S:
        self.engine.snapshots.append(snapshot)
        return snapshot

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        await SupportsMounts.of(self.behind).mount(path, snapshot)

    async def unmount(self, path: str) -> None:
        await SupportsMounts.of(self.behind).unmount(path)

    async def connect(self, port: int) -> Connection:
        return await SupportsPorts.of(self.behind).connect(port)
