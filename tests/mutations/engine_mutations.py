"""Ways to break what a server asks of its engine, each an engine that does something else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_sandbox.engine import AnySnapshot, Connection, Host, Snapshot, Task, TaskSpec

from .engine_proxy import EngineProxy, TaskProxy
from .mutation import Mutation
from .tampering import Tampering


class HostOnly(EngineProxy):
    """Creates every task from the image of the host."""

    async def create(self, spec: TaskSpec) -> Task:
        return await super().create(replace(spec, image=Host()))


class NoGpus(EngineProxy):
    """Creates every task without GPUs."""

    async def create(self, spec: TaskSpec) -> Task:
        return await super().create(replace(spec, gpus=None))


class NoResuming(EngineProxy):
    """Starts tasks anew instead of resuming them."""

    async def create(self, spec: TaskSpec) -> Task:
        return await super().create(replace(spec, resume=None))


class BareRestores(EngineProxy):
    """Creates a task from a snapshot without environment."""

    async def create(self, spec: TaskSpec) -> Task:
        if isinstance(spec.image, Snapshot):
            spec = replace(spec, env={})
        return await super().create(spec)


class EmptyRestores(EngineProxy):
    """Creates a task from a snapshot without main process."""

    async def create(self, spec: TaskSpec) -> Task:
        if isinstance(spec.image, Snapshot):
            spec = replace(spec, main=None)
        return await super().create(spec)


class OneNetwork(EngineProxy):
    """Puts all tasks that are in networks into the same one."""

    async def create(self, spec: TaskSpec) -> Task:
        if spec.membership is not None:
            spec = replace(spec, membership=replace(spec.membership, network="one"))
        return await super().create(spec)


class LonelyRestores(EngineProxy):
    """Creates a task from a snapshot in no network."""

    async def create(self, spec: TaskSpec) -> Task:
        if isinstance(spec.image, Snapshot):
            spec = replace(spec, membership=None)
        return await super().create(spec)


class NoForgetting(EngineProxy):
    """Stores every snapshot until the end."""

    async def forget(self, snapshot: AnySnapshot) -> None:
        pass


class NoKilling(EngineProxy):
    """Does not kill a task when it is told to for the first time."""

    async def create(self, spec: TaskSpec) -> Task:
        await super().create(spec)
        return Survivor(self.tasks[-1], self)


class Survivor(TaskProxy):
    """A task that only a second attempt kills, so that tests can clean up."""

    def __init__(self, task: Task, engine: EngineProxy) -> None:
        super().__init__(task, engine)
        self._attempted = False

    async def kill(self) -> None:
        if self._attempted:
            await super().kill()
        self._attempted = True


class NoEnding(EngineProxy):
    """Takes a snapshot without ending the task."""

    async def create(self, spec: TaskSpec) -> Task:
        await super().create(spec)
        return Unending(self.tasks[-1], self)


class Unending(TaskProxy):
    """A task that outlives its snapshots."""

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        return await super().snapshot(end=False)


class OldPorts(EngineProxy):
    """Connects every task to the ports of the first one."""

    async def create(self, spec: TaskSpec) -> Task:
        await super().create(spec)
        return OldPort(self.tasks[-1], self)


class OldPort(TaskProxy):
    """A task whose ports are those of the first."""

    async def connect(self, port: int) -> Connection:
        return await TaskProxy(self.engine.tasks[0], self.engine).connect(port)


def over(engine: type[EngineProxy]) -> Callable[[Tampering], None]:
    """Have a server use this engine."""

    def apply(server: Any) -> None:
        server.engine = engine

    return apply


_RESTORE = "restoring_keeps_what_a_sandbox_is"

MUTATIONS = (
    Mutation("start with the host", over(HostOnly), ("images_have_the_files",)),
    Mutation("give no GPUs", over(NoGpus), ("each_sandbox_has_its_own_gpus",)),
    Mutation("begin again", over(NoResuming), ("copies_go_on",)),
    Mutation("restore without environment", over(BareRestores), (_RESTORE,)),
    Mutation(
        "restore without main",
        over(EmptyRestores),
        ("restoring_starts_the_main_process_anew",),
        hangs=True,
    ),
    Mutation("one network for all", over(OneNetwork), ("aliases_lead_to_their_sandboxes",)),
    Mutation(
        "restore outside of its network",
        over(LonelyRestores),
        ("aliases_lead_to_their_sandboxes",),
    ),
    Mutation("keep what was forgotten", over(NoForgetting), ("forgotten_images_are_gone",)),
    Mutation(
        "restore beside what runs", over(NoKilling), ("restoring_ends_what_runs",), hangs=True
    ),
    Mutation(
        "snapshot without ending", over(NoEnding), ("snapshots_can_end_a_sandbox",), hangs=True
    ),
    Mutation("connect to the old task", over(OldPorts), ("tunnels_outlast_a_restore",)),
)
