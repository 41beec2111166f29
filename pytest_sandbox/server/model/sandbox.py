"""One sandbox: a task of the engine, or several one after another, and the policy around it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import finish, within
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import (
    Clock,
    EndCause,
    Membership,
    Network,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsSidecars,
    SupportsUsage,
    Task,
    TaskEnd,
    TaskEnded,
    TaskLost,
    TaskSpec,
    Usage,
)

from ..async_helpers import start
from ..commands.commands import Commands
from ..commands.execution import RESTORED, TERMINATED, CommandExecution
from ..rpc.errors import precondition
from ..tunnels.refused import Refusals
from .lifetimes import Lifetime, Status
from .mounts import MountedSnapshots
from .readiness import Readiness
from .result import TERMINATED as TERMINATED_STATUS
from .result import Result, result_of, why_ended
from .sidecars import MAIN, Sidecars
from .usage_samples import UsageSample, UsageSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from pytest_sandbox._proto import sandboxes_pb2 as pb

    from ..files.sessions import FileSessions
    from ..volumes.private_copies import Loss
    from .ids import SandboxIdentity
    from .images import ImageRecord


class ServedSandbox:
    """A sandbox, running or finished.

    Args:
        identity: its ids and name.
        definition: what the client asked for.
        tags: name to value.
        image: that its files started from.
        spec: with which the task was created.
        task: the engine's.
        clock: the engine's.
        resumed_from: id of the memory snapshot that it started from; empty if it did not.
        main: the sandbox that it is a sidecar of; `None` for a sandbox.

    Attributes:
        sidecars: its sidecars, which end with it.
        generation: how often it was restored.
        lock: held while its files are snapshotted, its mounts change, or it is restored.
        readiness: whether it is ready; `None` if it has no probe.
        commands: its processes.
        refusals: connections to its tunnels that were refused.
        result: how it ended; `None` while it runs.
        started: when, on the engine's monotonic clock.
        ended: when, on the same clock; `None` while it runs.
        finished_at: in seconds since the epoch.
        on_end: called when it has ended.
        at_end: called then too.
        exit_image: of its files as they were at its end, once it has ended, if that was asked for.
        commit: of what it wrote to volumes, once it has ended, with what of it is lost; `None` if
            it has no copies of volumes.
    """

    def __init__(
        self,
        identity: SandboxIdentity,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        image: ImageRecord,
        spec: TaskSpec,
        task: Task,
        clock: Clock,
        *,
        resumed_from: str = "",
        main: ServedSandbox | None = None,
    ) -> None:
        self.id = identity.id
        self.task_id = identity.task_id
        self.app_id = identity.app_id
        self.name = identity.name
        self.created_at = identity.created_at
        self.family = identity.family
        self.definition = definition
        self.tags = dict(tags)
        self.image = image
        self.spec = spec
        self.task = task
        self.clock = clock
        self.resumed_from = resumed_from
        self.main = main
        self.sidecars: Sidecars[ServedSandbox] = Sidecars()
        self.generation = 0
        self.lock = asyncio.Lock()
        self.started = clock.monotonic()
        self.result: Result | None = None
        self.finished_at = 0.0
        self.ended: float | None = None
        self.exit_image: asyncio.Future[ImageRecord] | None = None
        self._samples = UsageSamples(self.created_at)
        self.on_end: Callable[[ServedSandbox], None] = _nothing
        self.at_end: list[Callable[[], None]] = []
        self.commit: asyncio.Future[list[Loss]] | None = None
        self._mounts = MountedSnapshots()
        self._used_before = Usage(0.0, 0, 0, 0, 0)
        self._over = asyncio.Event()
        self._reason: Status | None = None
        self._fault: EndCause | None = None
        self._lost: TaskLost | None = None
        # What is done in a sidecar is done in its sandbox, which is not idle meanwhile.
        self.lifetime: Lifetime = self._own_lifetime() if main is None else main.lifetime
        self.commands = Commands(str(self), clock, self.lifetime)
        self.refusals = Refusals()
        self.readiness: Readiness | None = None
        if definition.HasField("readiness_probe"):
            self.readiness = Readiness(definition.readiness_probe, clock)
        self._adopt(task)
        start(self._watch())

    def __str__(self) -> str:
        return f"Sandbox {self.id!r}" if self.main is None else f"Sidecar {self.name!r}"

    def _own_lifetime(self) -> Lifetime:
        asked = self.definition
        idle = asked.idle_timeout_secs if asked.HasField("idle_timeout_secs") else None
        return Lifetime(self.clock, asked.timeout_secs, idle, self._expire)

    def _adopt(self, task: Task) -> None:
        self.task = task
        argv = self.spec.main.argv if self.spec.main is not None else ("",)
        self.commands.adopt_main(f"{self.id}/{self.generation}", argv, task.main)
        if self.readiness is not None:
            self.readiness.begin(task)

    @cached_property
    def files(self) -> FileSessions:
        """Open files, watches and outcomes of file operations."""
        from ..files.sessions import FileSessions

        return FileSessions(self.clock, self.lifetime)

    @property
    def workdir(self) -> str:
        """Where its processes start, and relative paths begin."""
        return self.spec.workdir or self.task.default_workdir

    @property
    def depends_on(self) -> set[str]:
        """Ids of the snapshots that it needs: of its files, its memory and its mounts."""
        return {self.image.snapshot_id, self.resumed_from, *self._mounts.snapshot_ids} - {""}

    def container(self, container_id: str) -> ServedSandbox:
        """Itself, or the sidecar of that id, if the id is not empty.

        Raises:
            GRPCError: NOT_FOUND.
        """
        return self.sidecars.get(container_id) if container_id else self

    def execution(self, exec_id: str) -> CommandExecution:
        """A command of it or of one of its sidecars.

        Raises:
            GRPCError: NOT_FOUND.
        """
        for sidecar in self.sidecars.all():
            if sidecar.commands.has(exec_id):
                return sidecar.commands.get(exec_id)
        return self.commands.get(exec_id)

    async def connect_sidecars(self) -> Membership:
        """Be in the network of its sidecars, where it has the name `main`.

        Raises:
            TaskEnded: it has ended, or is about to.
            GRPCError: FAILED_PRECONDITION: it is in another network.
            EngineError: whatever the engine raises.
        """
        membership = Membership(f"sidecars of {self.id}", (MAIN,))
        async with self.lock:
            self.check_running()
            if self.spec.membership is None:
                await SupportsSidecars.of(self.task).join(membership)
                self.spec = replace(self.spec, membership=membership)
            elif self.spec.membership != membership:
                raise precondition(f"{self} is in a network of sandboxes: it can have no sidecar")
        return membership

    async def wait(self, seconds: float) -> Result | None:
        """How it ended; `None` if it still runs after `seconds`.

        Raises:
            TaskLost: nobody knows.
        """
        if self.result is None and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self.clock, seconds, self._over.wait())
        self.check_known()
        return self.result

    def check_known(self) -> None:
        """Refuse to say how it ended if nobody knows, because its machine is gone.

        Raises:
            TaskLost: that is so.
        """
        if self.lost is not None:
            raise to_raise(self.lost)

    @property
    def lost(self) -> TaskLost | None:
        """Why nobody knows how it ended, unless a client or a time-out has ended it."""
        if self._lost is None or self._reason is not None:
            return None
        return TaskLost(f"{self} has ended: {self._lost}")

    async def usage(self) -> Usage:
        """What it used so far, or until it ended, also before it was restored.

        Raises:
            Unsupported: the engine does not measure it.
        """
        used = await SupportsUsage.of(self.task).usage()
        return self._used_before.followed_by(used)

    @property
    def seconds(self) -> float:
        """How long it ran, so far or until it ended."""
        return (self.clock.monotonic() if self.ended is None else self.ended) - self.started

    async def sampled(self) -> list[UsageSample]:
        """What it used from one call of this to the next, and until it ended.

        Raises:
            Unsupported: the engine does not measure it.
        """
        used = await self.usage()
        self._samples.add(self.finished_at or self.clock.now(), used)
        return self._samples.all()

    def unnoticed_commands(self) -> list[tuple[tuple[str, ...], str]]:
        """Commands that run or failed without a client asking; each with its state, as text.

        There are none once a client or a time-out has ended the sandbox.
        """
        if self._reason is not None:
            return []
        over = self.result is not None
        states = [(each.argv, each.unnoticed(over=over)) for each in self.commands.started]
        return [(argv, state) for argv, state in states if state]

    async def over(self) -> None:
        """Return once it has ended."""
        await self._over.wait()

    async def end(self, reason: Status) -> None:
        """End it, and return when nothing of it is left; the first reason that is given counts."""
        if self.lost is not None:
            self.result = result_of(TaskEnd(EndCause.KILLED), reason)  # more will never be known
        self._reason = self._reason or reason
        if self.result is None:
            self.commands.expect_end(TERMINATED)
            # A client that gives up waiting does not keep the sandbox alive.
            await finish(self.task.kill())
            await self._over.wait()

    async def fail(self, cause: EndCause) -> None:
        """End it as if by `cause`, and return when nothing of it is left."""
        if self.result is None:
            self._fault = self._fault or cause
            await finish(self.task.kill())
            await self._over.wait()

    def check_running(self) -> None:
        """Refuse what only a running sandbox can do.

        Raises:
            TaskEnded: it has ended, or is about to.
        """
        ending = self._reason is not None or self._fault is not None
        if ending or self.result is not None or self.task.poll() is not None:
            raise TaskEnded(f"{self} has ended: {self.why_ended or 'just now'}")

    @property
    def why_ended(self) -> str:
        """Why it has ended, or is about to, for errors; empty if that is not known yet."""
        return why_ended(self.result, self._reason, self.definition)

    async def mount(self, path: str, image: ImageRecord | None) -> None:
        """Mount an image, or an empty directory; the path is made if need be.

        Raises:
            OSError, EngineError: whatever the engine raises.
        """
        snapshot = image.engine_image if image is not None else None
        async with self.lock:
            self.check_running()
            mounts = SupportsMounts.of(self.task)
            await self.task.files.mkdir(path, parents=True)
            await mounts.mount(path, snapshot)
            self._mounts.add(path, image.snapshot_id if image is not None else "")

    async def set_network(self, access: pb.NetworkAccess, network: Network) -> None:
        """Allow other connections than before, also after a restore.

        Args:
            access: what the client asks for.
            network: what that means for the engine.

        Raises:
            EngineError: whatever the engine raises.
        """
        async with self.lock:
            self.check_running()
            await SupportsNetworkChange.of(self.task).set_network(network)
            self.spec = replace(self.spec, network=network)
            self.definition.network_access.CopyFrom(access)

    async def unmount(self, path: str) -> None:
        """Undo the latest mount at a path.

        Raises:
            OSError, EngineError: whatever the engine raises.
        """
        async with self.lock:
            self.check_running()
            await SupportsMounts.of(self.task).unmount(path)
            self._mounts.remove(path)

    async def restore(
        self, image: ImageRecord, create: Callable[[TaskSpec], Coroutine[Any, Any, Task]]
    ) -> Task:
        """Replace its task by a new one with the files of an image; all processes are killed.

        Args:
            image: the image.
            create: makes the task.

        Returns:
            The former task, which has ended.

        Raises:
            TaskEnded: it has ended, before or meanwhile.
            EngineError: whatever `create` raises; the sandbox continues as before.
        """
        async with self.lock:
            self.check_running()
            spec = replace(self.spec, image=image.root_image(), project=image.project, resume=None)
            # The new task first: if it cannot be created, the sandbox continues as before.
            task = await create(spec)
            try:
                self.check_running()
            except TaskEnded:
                await task.kill()
                raise
            before, executions = self.task, self.commands.all()
            self.commands.expect_end(RESTORED)
            self._task_ended()
            self.image, self.spec, self.resumed_from = image, spec, ""
            self.generation += 1
            # Adopted before the old one is killed, whose end `_watch` would take for the end of
            # the sandbox otherwise.
            self._adopt(task)
            await before.kill()
            if isinstance(before, SupportsUsage):
                self._used_before = self._used_before.followed_by(await before.usage())
            for execution in executions:
                execution.task_ended()
            return before

    async def _watch(self) -> None:
        while True:
            task = self.task
            end = await task.wait()
            if task is self.task:  # it was not replaced by `restore` meanwhile
                break
        for sidecar in self.sidecars.running():
            if end.lost is None:
                await sidecar.end(TERMINATED_STATUS)
            else:
                await sidecar.fail(EndCause.LOST)  # of it, too, nobody knows how it ended
        if end.lost is not None and self._reason is not None:
            end = TaskEnd(EndCause.KILLED)
        if self._fault is not None and end.cause is EndCause.KILLED:
            end = TaskEnd(self._fault)
        self._lost = end.lost
        self.result = result_of(end, self._reason)
        self.finished_at = self.clock.now()
        self.ended = self.clock.monotonic()
        if self.main is None:
            self.lifetime.cancel()
        if self.readiness is not None:
            self.readiness.end()
        self._task_ended()
        self.commands.sandbox_ended(self.why_ended)
        self._over.set()
        for tell in self.at_end:
            tell()
        self.on_end(self)
        self.on_end = _nothing  # it refers to who refers to this

    def _task_ended(self) -> None:
        self._mounts.clear()
        if "files" in vars(self):
            self.files.task_ended()

    def _expire(self, reason: Status) -> None:
        # In a task of its own, because the end of a sandbox cancels its timers.
        self._ending = start(self.end(reason))

    def output_bytes(self) -> int:
        """Bytes that are held of the output of its processes and its file operations."""
        sidecars = sum(sidecar.output_bytes() for sidecar in self.sidecars.all())
        files = self.files.outcome_bytes if "files" in vars(self) else 0
        return self.commands.output_bytes() + files + sidecars


def _nothing(_: ServedSandbox) -> None:
    pass
