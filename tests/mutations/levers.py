"""An engine with something in front of it: time that can be shifted, and little room."""

from collections.abc import AsyncIterator
from typing import Any

from pytest_sandbox.engine import (
    AnySnapshot,
    Clock,
    Engine,
    EngineInfo,
    Snapshot,
    StoreFull,
    SupportsExport,
    SupportsForget,
    SupportsPrepare,
    SupportsVolumes,
    Task,
    TaskSpec,
)


class Shifted(Clock):
    """A clock that can be put forward."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = 0.0

    def now(self) -> float:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        return self._clock.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Levers(Engine, SupportsForget, SupportsExport, SupportsPrepare, SupportsVolumes):
    """Another engine, on a clock of its own.

    Attributes:
        room: how many images it has room for; `None` for as many as there may be.
        images: those that it keeps.
        tasks: all that were created.
    """

    def __init__(self, engine: Engine) -> None:
        self.clock: Shifted = Shifted(engine.clock)
        self.room: int | None = None
        self.images: list[AnySnapshot] = []
        self.tasks: list[Task] = []
        self._engine = engine

    async def start(self) -> EngineInfo:
        return await self._engine.start()

    async def create(self, spec: TaskSpec) -> Task:
        task = await self._engine.create(spec)
        self.tasks.append(task)
        self._watch(task, "snapshot")
        self._watch(task, "snapshot_directory")
        self._watch(task, "snapshot_memory")
        return task

    def _watch(self, task: Any, method: str) -> None:
        """Count what one method of a task keeps."""
        keep = getattr(task, method)

        async def counted(*args: Any, **options: Any) -> AnySnapshot:
            if self.room is not None and len(self.images) >= self.room:
                raise StoreFull("no room for another image")
            image: AnySnapshot = await keep(*args, **options)
            self.images.append(image)
            return image

        setattr(task, method, counted)

    async def forget(self, snapshot: AnySnapshot) -> None:
        if snapshot in self.images:
            self.images.remove(snapshot)
        await SupportsForget.of(self._engine).forget(snapshot)

    async def forget_volume(self, volume: str) -> None:
        await SupportsVolumes.of(self._engine).forget_volume(volume)

    async def prepare(self, spec: TaskSpec) -> None:
        if isinstance(self._engine, SupportsPrepare):
            await self._engine.prepare(spec)

    def export(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        return SupportsExport.of(self._engine).export(snapshot)

    async def load(self, stream: AsyncIterator[bytes]) -> Snapshot:
        return await SupportsExport.of(self._engine).load(stream)

    async def close(self) -> None:
        """The engine below goes on."""
