"""The stub engine, with images: names of copies of the files of a stub task."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from pytest_sandbox.engine import (
    EndCause,
    EngineInfo,
    InvalidSpec,
    NotFreezable,
    StoreFull,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)

from .stub import Node, StubEngine, StubTask

Nodes = dict[str, Node]


class KeepingTask(StubTask):
    def __init__(self, engine: "KeepingEngine", spec: TaskSpec) -> None:
        super().__init__(engine, spec)
        self.keeper = engine
        self.mounts: list[tuple[str, str | None]] = []

    async def snapshot(self, *, end: bool = False) -> str:
        self._check()
        await self.keeper.gate.wait()
        self._check()
        try:
            name = self.keeper.keep(copy.deepcopy(self.stub_files.nodes))
        finally:
            if end:
                self.end(TaskEnd(EndCause.KILLED))
        return name

    async def snapshot_directory(self, path: str) -> str:
        self._check()
        below = {p: n for p, n in self.stub_files.nodes.items() if p.startswith(f"{path}/")}
        await self.files.listdir(path)
        return self.keeper.keep(copy.deepcopy(below))

    async def mount(self, path: str, image: str | None) -> None:
        self._check()
        if path == "/":
            raise InvalidSpec("nothing is mounted on '/'")
        if image is not None:
            self.keeper.image(image)
        self.mounts.append((path, image))

    async def unmount(self, path: str) -> None:
        self._check()
        for mount in reversed(self.mounts):
            if mount[0] == path:
                self.mounts.remove(mount)
                return
        raise OSError(22, "Invalid argument", path)

    async def snapshot_memory(self) -> str:
        self._check()
        await self.keeper.gate.wait()
        self._check()
        if self.keeper.unfreezable:
            raise NotFreezable(self.keeper.unfreezable)
        return self.keeper.keep(copy.deepcopy(self.stub_files.nodes))

    def _check(self) -> None:
        if self.poll() is not None:
            raise TaskEnded("the task is over")


@dataclass
class KeepingEngine(StubEngine):
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

    def image(self, name: str) -> Nodes:
        if name not in self.images:
            raise UnknownImage(f"no image {name!r}")
        return copy.deepcopy(self.images[name])

    async def create(self, spec: TaskSpec) -> Task:
        await self.spawning()
        name = spec.resume or spec.image
        nodes = self.image(name) if name != "host" else None
        task = KeepingTask(self, spec)
        if nodes is not None:
            task.stub_files.nodes = nodes
        self.tasks.append(task)
        return task

    async def prepare(self, spec: TaskSpec) -> None:
        self.prepared.append(spec)

    async def forget(self, image: str) -> None:
        self.forgotten.append(image)
        self.images.pop(image, None)

    def frees(self, image: str) -> bool:
        return image not in self.shared

    async def export(self, image: str) -> AsyncIterator[bytes]:
        for path, node in self.image(image).items():
            await asyncio.sleep(0)
            text = (node.content or b"").decode() if node.content is not None else None
            yield json.dumps([path, text, node.mode]).encode() + b"\n"

    async def load(self, stream: AsyncIterator[bytes]) -> str:
        data = b"".join([chunk async for chunk in stream])
        try:
            lines = [json.loads(line) for line in data.splitlines()]
        except ValueError as error:
            raise InvalidSpec(f"not an export: {error}") from None
        return self.keep(
            {
                path: Node(None if text is None else bytearray(text.encode()), mode)
                for path, text, mode in lines
            }
        )
