"""Tasks, snapshots and volumes that a check makes, and that end with the check."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import TypeVar

from .. import (
    AnySnapshot,
    DirectorySnapshot,
    Engine,
    Snapshot,
    SupportsExitSnapshots,
    SupportsSidecars,
    Task,
    TaskSpec,
)
from .calls import forget, forget_volume, snapshot, snapshot_directory
from .support import soon

S = TypeVar("S", bound=AnySnapshot)


class Lab:
    """Makes tasks, snapshots and volumes of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._tasks: list[Task] = []
        self._snapshots: list[AnySnapshot] = []
        self._volumes: list[str] = []

    async def task(self, spec: TaskSpec | None = None) -> Task:
        """A task."""
        spec = spec or TaskSpec()
        self._tasks.append(await soon(self.engine.create(spec), f"create({spec})"))
        return self._tasks[-1]

    async def sidecar(self, main: Task, spec: TaskSpec | None = None) -> Task:
        """A task beside another one."""
        creation = SupportsSidecars.of(main).create_sidecar(spec or TaskSpec())
        self._tasks.append(await soon(creation, f"create_sidecar({spec})"))
        return self._tasks[-1]

    async def copy(self, image: Snapshot) -> Task:
        """A task without a main process, with the files of a snapshot."""
        return await self.task(TaskSpec(image=image))

    async def snapshot(self, task: Task, *, end: bool = False) -> Snapshot:
        """A snapshot of a task's files."""
        return self.forget_later(await soon(snapshot(task, end=end), f"snapshot({end=})"))

    async def exit_snapshot(self, task: Task) -> Snapshot:
        """The snapshot of a task's files that is taken at its end."""
        call = SupportsExitSnapshots.of(task).exit_snapshot()
        return self.forget_later(await soon(call, "exit_snapshot()"))

    async def directory(self, task: Task, path: str) -> DirectorySnapshot:
        """A snapshot of a directory."""
        call = snapshot_directory(task, path)
        return self.forget_later(await soon(call, f"snapshot_directory({path!r})"))

    def forget_later(self, snapshot: S) -> S:
        """Forget a snapshot at the end."""
        self._snapshots.append(snapshot)
        return snapshot

    def volume(self) -> str:
        """The name of a volume that there never was."""
        self._volumes.append(f"conformance-{token_hex(8)}")
        return self._volumes[-1]

    async def close(self) -> None:
        """End the tasks, and forget the snapshots and volumes."""
        for task in self._tasks:
            await soon(task.kill(), "kill() of a task")
        for taken in self._snapshots:
            await soon(forget(self.engine, taken), f"forget({taken})")
        for volume in self._volumes:
            await soon(forget_volume(self.engine, volume), f"forget_volume({volume!r})")


@asynccontextmanager
async def a_lab(engine: Engine) -> AsyncIterator[Lab]:
    """A lab for the length of a `with`."""
    lab = Lab(engine)
    try:
        yield lab
    finally:
        await lab.close()
