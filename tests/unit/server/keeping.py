"""The stub engine, with images: names of copies of the files of a stub task."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from pytest_sandbox.engine import (
    AnySnapshot,
    DirectorySnapshot,
    EndCause,
    EngineInfo,
    Host,
    InvalidSpec,
    MemorySnapshot,
    NotFreezable,
    Snapshot,
    StoreFull,
    SupportsExport,
    SupportsForget,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsPrepare,
    SupportsSnapshots,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)

from .stub import Node, StubEngine, StubTask

Nodes = dict[str, Node]


class KeepingTask(StubTask, SupportsSnapshots, SupportsMounts, SupportsMemorySnapshots):
    def __init__(self, engine: "KeepingEngine", spec: TaskSpec) -> None:
        super().__init__(engine, spec)
        self.keeper = engine
        self.mounts: list[tuple[str, DirectorySnapshot | None]] = []

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        self._check()
        await self.keeper.gate.wait()
        self._check()
        try:
            name = self.keeper.keep(copy.deepcopy(self.stub_files.nodes))
        finally:
            if end:
                self.end(TaskEnd(EndCause.KILLED))
        return Snapshot(name)

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        self._check()
        below = {p: n for p, n in self.stub_files.nodes.items() if p.startswith(f"{path}/")}
        await self.files.listdir(path)
        return DirectorySnapshot(self.keeper.keep(copy.deepcopy(below)))

    async def mount(self, path: str, snapshot: DirectorySnapshot | None) -> None:
        self._check()
        if path == "/":
            raise InvalidSpec("nothing is mounted on '/'")
        if snapshot is not None:
            self.keeper.image(snapshot)
        self.mounts.append((path, snapshot))

    async def unmount(self, path: str) -> None:
        self._check()
        for mount in reversed(self.mounts):
            if mount[0] == path:
                self.mounts.remove(mount)
                return
        raise OSError(22, "Invalid argument", path)

    async def snapshot_memory(self) -> MemorySnapshot:
        self._check()
        await self.keeper.gate.wait()
        self._check()
        if self.keeper.unfreezable:
            raise NotFreezable(self.keeper.unfreezable)
        return MemorySnapshot(self.keeper.keep(copy.deepcopy(self.stub_files.nodes)))

    def _check(self) -> None:
        if self.poll() is not None:
            raise TaskEnded("the task is over")


@dataclass
class KeepingEngine(StubEngine, SupportsForget, SupportsExport, SupportsPrepare):
    #: How many images there is room for.
    room: int = 1000
    #: Whether no further image can be kept whatever is forgotten.
    too_deep: bool = False
    images: dict[str, Nodes] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    prepared: list[TaskSpec] = field(default_factory=list)
    #: What a process holds that cannot be kept.
    unfreezable: str = ""
    fingerprint: str = "of this machine"
    #: Images of which others need all that they consist of.
    shared: set[str] = field(default_factory=set)
    _count: int = 0

    async def start(self) -> EngineInfo:
        return replace(await super().start(), fingerprint=self.fingerprint)

    def keep(self, nodes: Nodes) -> str:
        if self.too_deep:
            raise StoreFull("too many layers", forgetting_helps=False)
        if len(self.images) >= self.room:
            raise StoreFull(f"there is room for {self.room} images")
        self._count += 1
        name = f"image-{self._count}"
        self.images[name] = nodes
        return name

    def image(self, snapshot: AnySnapshot) -> Nodes:
        if snapshot.name not in self.images:
            raise UnknownImage(f"no image {snapshot.name!r}")
        return copy.deepcopy(self.images[snapshot.name])

    async def create(self, spec: TaskSpec) -> Task:
        await self.spawning()
        start = spec.resume or spec.image
        nodes = None if isinstance(start, Host) else self.image(start)
        task = KeepingTask(self, spec)
        if nodes is not None:
            task.stub_files.nodes = nodes
        self.tasks.append(task)
        return task

    async def prepare(self, spec: TaskSpec) -> None:
        self.prepared.append(spec)

    async def forget(self, snapshot: AnySnapshot) -> None:
        self.forgotten.append(snapshot.name)
        self.images.pop(snapshot.name, None)

    def frees(self, snapshot: AnySnapshot) -> bool:
        return snapshot.name not in self.shared

    async def export(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        for path, node in self.image(snapshot).items():
            await asyncio.sleep(0)
            text = (node.content or b"").decode() if node.content is not None else None
            yield json.dumps([path, text, node.mode]).encode() + b"\n"

    async def load(self, stream: AsyncIterator[bytes]) -> Snapshot:
        data = b"".join([chunk async for chunk in stream])
        try:
            lines = [json.loads(line) for line in data.splitlines()]
        except ValueError as error:
            raise InvalidSpec(f"not an export: {error}") from None
        nodes = {
            path: Node(None if text is None else bytearray(text.encode()), mode)
            for path, text, mode in lines
        }
        return Snapshot(self.keep(nodes))
