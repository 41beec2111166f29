"""The calls of the optional abilities; on an engine that lacks one they raise `Unsupported`."""

from collections.abc import AsyncIterator

from .. import (
    AnySnapshot,
    Connection,
    DirectorySnapshot,
    Engine,
    MemorySnapshot,
    RootImage,
    Snapshot,
    SupportsExport,
    SupportsForget,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsPorts,
    SupportsPrepare,
    SupportsSnapshots,
    SupportsVolumes,
    Task,
    TaskSpec,
)


async def snapshot(task: Task, *, end: bool = False) -> Snapshot:
    """See `SupportsSnapshots.snapshot`."""
    return await SupportsSnapshots.of(task).snapshot(end=end)


async def snapshot_directory(task: Task, path: str) -> DirectorySnapshot:
    """See `SupportsSnapshots.snapshot_directory`."""
    return await SupportsSnapshots.of(task).snapshot_directory(path)


async def snapshot_memory(task: Task) -> MemorySnapshot:
    """See `SupportsMemorySnapshots.snapshot_memory`."""
    return await SupportsMemorySnapshots.of(task).snapshot_memory()


async def mount(task: Task, path: str, directory: DirectorySnapshot | RootImage | None) -> None:
    """See `SupportsMounts.mount`."""
    await SupportsMounts.of(task).mount(path, directory)


async def unmount(task: Task, path: str) -> None:
    """See `SupportsMounts.unmount`."""
    await SupportsMounts.of(task).unmount(path)


async def connect(task: Task, port: int) -> Connection:
    """See `SupportsPorts.connect`."""
    return await SupportsPorts.of(task).connect(port)


async def forget(engine: Engine, of: AnySnapshot) -> None:
    """See `SupportsForget.forget`."""
    await SupportsForget.of(engine).forget(of)


async def export(
    engine: Engine, of: Snapshot, below: Snapshot | None = None
) -> AsyncIterator[bytes]:
    """See `SupportsExport.export`."""
    async for data in SupportsExport.of(engine).export(of, below=below):
        yield data


async def load(
    engine: Engine, stream: AsyncIterator[bytes], below: Snapshot | None = None
) -> Snapshot:
    """See `SupportsExport.load`."""
    return await SupportsExport.of(engine).load(stream, below=below)


async def prepare(engine: Engine, spec: TaskSpec) -> None:
    """See `SupportsPrepare.prepare`; an engine without it loses only time."""
    if isinstance(engine, SupportsPrepare):
        await engine.prepare(spec)


async def forget_volume(engine: Engine, volume: str) -> None:
    """See `SupportsVolumes.forget_volume`."""
    await SupportsVolumes.of(engine).forget_volume(volume)
