"""The engine in memory as the tests of the server use it.

`FakeEngine` serves all of them. What a test of the server needs besides is here: a gate that
creations, commands and snapshots wait at; limits of the store of snapshots; abilities that are
missing; and lists of what the server asked for.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from pytest_sandbox._shared.gpus.simulated import SimulatedGpu
from pytest_sandbox.engine import (
    AnySnapshot,
    Capability,
    EngineInfo,
    MemorySnapshot,
    NotFreezable,
    Process,
    ProcessSpec,
    Snapshot,
    StoreFull,
    SupportsPrepare,
    Task,
    TaskSpec,
)
from pytest_sandbox.fakes import Call, FakeEngine, MemoryTask, VirtualClock
from pytest_sandbox.fakes.files.vfs import Filesystem
from pytest_sandbox.fakes.processes.memory_process import MemoryProcess
from pytest_sandbox.fakes.stored_snapshots import StoredSnapshots


class GatedTask(MemoryTask):
    """A task whose commands and snapshots wait at the gate of its engine.

    Attributes:
        processes: those that the server started, the main one first.
    """

    def __init__(
        self, engine: "GatedEngine", spec: TaskSpec, fs: Filesystem, gpus: Sequence[SimulatedGpu]
    ) -> None:
        super().__init__(spec, fs, gpus, engine.clock, engine._hooks, engine.snapshots)
        self.engine = engine
        self.processes: list[MemoryProcess] = []

    def start_main(self, spec: ProcessSpec) -> None:
        super().start_main(spec)
        assert isinstance(self.main, MemoryProcess)
        self.processes.append(self.main)

    async def exec(self, spec: ProcessSpec) -> Process:
        if self.poll() is None:
            await self.engine.pass_gate()
        process = await super().exec(spec)
        assert isinstance(process, MemoryProcess)
        self.processes.append(process)
        return process

    async def create_sidecar(self, spec: TaskSpec) -> Task:
        await self.engine.pass_gate()
        task = await super().create_sidecar(spec)
        assert isinstance(task, GatedTask)
        self.engine.tasks.append(task)
        return task

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        await self.engine.pass_gate()
        try:
            return await super().snapshot(end=end)
        except StoreFull:
            if end:
                await self.kill()
            raise

    async def snapshot_memory(self) -> MemorySnapshot:
        await self.engine.pass_gate()
        if self.engine.unfreezable:
            raise NotFreezable(self.engine.unfreezable)
        return await super().snapshot_memory()


class LimitedSnapshots(StoredSnapshots):
    """A store that can be full.

    Attributes:
        room: how many snapshots it takes.
        too_deep: whether it takes no more, whatever is forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self.room = 1000
        self.too_deep = False

    @property
    def names(self) -> list[str]:
        return [snapshot.name for snapshot in (*self._disks, *self._memories)]

    def _name(self) -> str:
        if self.too_deep:
            raise StoreFull("too many layers", forgetting_helps=False)
        if len(self) >= self.room:
            raise StoreFull(f"there is room for {self.room} images")
        return super()._name()


class GatedEngine(FakeEngine, SupportsPrepare):
    """`FakeEngine` with a gate, scripts for a few commands, and memory of what it was asked.

    Args:
        capabilities: what it says it can do: everything, so that the server passes on whatever a
            test asks for.
        fingerprint: what it says of its base image.

    Attributes:
        gate: cleared by a test that wants creations, commands and snapshots to wait.
        waiting: set when one waits, or would.
        tasks: those that were created.
        snapshots: those in the store.
        forgotten: names of snapshots that the server gave up.
        shared: names of snapshots that free nothing when they are forgotten.
        prepared: what the server said is likely to come.
        unfreezable: why no memory snapshot can be taken, if so.
    """

    clock: VirtualClock

    def __init__(
        self,
        *,
        capabilities: frozenset[Capability] = frozenset(Capability),
        fingerprint: str = "of this machine",
    ) -> None:
        super().__init__()
        self._images = self.snapshots = LimitedSnapshots()
        self._capabilities = capabilities
        self._fingerprint_given = fingerprint
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.tasks: list[GatedTask] = []
        self.forgotten: list[str] = []
        self.shared: set[str] = set()
        self.prepared: list[TaskSpec] = []
        self.unfreezable = ""
        self.on_exec("fail", ...).calls(fail)
        self.on_exec("flood", ...).calls(flood)
        self.on_exec("hang", ...).hang()

    async def start(self) -> EngineInfo:
        info = await super().start()
        return replace(
            info,
            capabilities=self._capabilities,
            details={"tests": "of the server"},
            fingerprint=self._fingerprint_given,
        )

    async def pass_gate(self) -> None:
        self.waiting.set()
        await self.gate.wait()

    async def create(self, spec: TaskSpec) -> GatedTask:
        await self.pass_gate()
        task = await super().create(spec)
        assert isinstance(task, GatedTask)
        self.tasks.append(task)
        return task

    def make_task(self, spec: TaskSpec, fs: Filesystem, gpus: Sequence[SimulatedGpu]) -> GatedTask:
        return GatedTask(self, spec, fs, gpus)

    async def prepare(self, spec: TaskSpec) -> None:
        self.prepared.append(spec)

    async def forget(self, snapshot: AnySnapshot) -> None:
        self.forgotten.append(snapshot.name)
        await super().forget(snapshot)

    def frees(self, snapshot: AnySnapshot) -> bool:
        return snapshot.name not in self.shared


def fail(call: Call) -> int:
    call.err("no\n")
    return int(call.argv[1])


async def flood(call: Call) -> None:
    """Write as many bytes as the argument says, in chunks of 64 KiB."""
    left = int(call.argv[1])
    while left:
        size = min(left, 65536)
        call.out(b"x" * size)
        await call.flush()
        left -= size
