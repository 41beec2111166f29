"""Making sandboxes with one zygote."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    DEFAULT_PATH,
    DEFAULT_WORKDIR,
    AnySnapshot,
    EngineUnavailable,
    StoreFull,
    TaskEnded,
    TaskSpec,
    Unsupported,
)

from ..agents.errors import BuildFailed
from ..protocol.common import Succeeded
from ..protocol.zygote import CreateRequest, HideRequest, LayerAtEnd, MountedVolume
from .activity import Activity
from .blanks import Blanks
from .machine import memory_shares
from .machine.project import ProjectRefused, left_out
from .outlet import LocalOutlet, network_of
from .pool import Pool
from .refusals import NO_ROOM, reason, translated
from .shape import shape_of
from .snapshots.layer_store import LayerStore
from .snapshots.snapshotter import Snapshotter
from .spares import Spares
from .task import LocalTask
from .validate import check_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..agents.pump import Pump
    from ..options import LocalOptions
    from .gpus.found import FoundGpus
    from .gpus.leased import TaskGpus
    from .links.gateway_link import GatewayLink
    from .links.zygote_link import ZygoteLink
    from .machine.host_folder import HostFolder
    from .machine.host_image import HostImage
    from .snapshots.layer_store import Stack
    from .task import TakesMemorySnapshots

#: Where the loader looks for libraries first: ld.so(8).
_LIBRARIES = "LD_LIBRARY_PATH"
#: Besides the program's own processes: PID 1 and a job of it that works on files.
_OUR_PROCESSES = 2


class Factory:
    """Makes sandboxes, in one mode and of one image.

    Args:
        zygote: what forks them; started.
        image: what they show of the machine.
        options: the engine's settings.
        store: the snapshots of the engine, if another factory has them already.

    Attributes:
        store: snapshots.
        pool: those that were made ahead.
        make_room: ends those that were made ahead in the engine; whether there were any.
        no_network: why sandboxes cannot have a way out here; empty if they can.
    """

    def __init__(
        self,
        zygote: ZygoteLink,
        image: HostImage,
        options: LocalOptions,
        store: LayerStore | None = None,
    ) -> None:
        self.zygote = zygote
        self.image = image
        self._options = options
        self._memory = options.memory or memory_shares.for_one_sandbox()
        self._names = itertools.count(1)
        #: Takes memory snapshots of its sandboxes; the engine's.
        self.memory: TakesMemorySnapshots | None = None
        #: Relays their connections; the engine's.
        self.gateway: GatewayLink | None = None
        self.no_network = ""
        self._pumps: set[Pump] = set()
        self.store = store or LayerStore(options.store or memory_shares.for_snapshots())
        self.pool = Pool(self._build_if_possible)
        self.make_room: Callable[[], Awaitable[bool]] = self.clear_ahead
        self._activity = Activity()
        self._spares = Spares(self.pool, self._activity)
        self._blanks = Blanks(zygote, self._activity, self._spares)
        self._volumes: dict[str, int] = {}
        self._volume_numbers = itertools.count(1)
        self._gpu_numbers = {file: number for number, file in enumerate(image.gpus.files)}
        self._project_ready = False
        self._hiding = asyncio.Lock()

    @property
    def project(self) -> HostFolder | None:
        """The project that sandboxes can show, if there is one."""
        project = self.image.project
        return None if project is None or project.path in self.zygote.left_out else project

    @property
    def no_project(self) -> str:
        """Why there is none."""
        project = self.image.project
        return self.image.no_project if project is None else self.zygote.left_out[project.path]

    @property
    def restricted_folders(self) -> dict[str, str]:
        """Folders of the machine that sandboxes cannot see, or cannot write to, and why."""
        read_only = {**self.image.read_only, **self.zygote.read_only}
        left_out = {**self.image.left_out, **self.zygote.left_out}
        return {
            **{f"read-only: {path}": reason for path, reason in read_only.items()},
            **{f"not shown: {path}": reason for path, reason in left_out.items()},
        }

    @property
    def gpus(self) -> FoundGpus:
        """What sandboxes with GPUs need of the machine, as far as they can have it here."""
        return self.image.gpus.without(self.zygote.no_gpus)

    async def create(self, spec: TaskSpec, beside: str = "") -> LocalTask:
        """Create a task and start its main process; leaves nothing behind if that fails.

        Args:
            spec: what is asked for.
            beside: the zygote's name for a task whose limits it shares; empty for its own.
        """
        self._check(spec)
        if spec.gpus is None:
            return await self._create(spec, beside=beside)
        from .gpus.leased import lease_for  # late: few sandboxes have GPUs

        name = f"sandbox {spec.name}".rstrip()
        gpus = await lease_for(spec.gpus, name, self.gpus, self._options.gpu_wait)
        try:
            return await self._create(spec, gpus, beside)
        except BaseException:
            gpus.release()
            raise

    async def _create(
        self, spec: TaskSpec, gpus: TaskGpus | None = None, beside: str = ""
    ) -> LocalTask:
        try:
            with self._activity:
                return await self._claim_or_build_anyway(spec, gpus, beside)
        except (BuildFailed, OSError) as failure:
            raise translated(reason(failure), spec, self._gpu_numbers) from failure
        except TaskEnded as failure:
            raise EngineUnavailable("a sandbox was killed while it was built") from failure

    async def _claim_or_build_anyway(
        self, spec: TaskSpec, gpus: TaskGpus | None, beside: str
    ) -> LocalTask:
        """With the room of those that were made ahead, if there is none otherwise."""
        try:
            return await self._claim_or_build(spec, gpus, beside)
        except (BuildFailed, OSError, StoreFull) as failure:
            lacks_room = isinstance(failure, StoreFull) or reason(failure).errno in NO_ROOM
            if not lacks_room or not await self.make_room():
                raise
            return await self._claim_or_build(spec, gpus, beside)

    async def _claim_or_build(
        self, spec: TaskSpec, gpus: TaskGpus | None, beside: str
    ) -> LocalTask:
        shape = None if beside or not self._options.pool else shape_of(spec)
        if shape is None:
            return await self.build(spec, gpus, beside)
        prepared = await self.pool.claim(shape)
        if prepared is not None:
            # While its agent works: nobody waits for that.
            asyncio.get_running_loop().call_soon(self._spares.asked_for, shape, True)
            task = await self._adopt(prepared, spec)
            if task is not None:
                return task
        task = await self.build(spec)
        if prepared is None:
            self._spares.asked_for(shape, claimed=False)
        return task

    def prepare_first(self) -> None:
        """From now on make ahead what most sandboxes have in common, while the engine is idle."""
        if self._options.pool:
            self._blanks.begin(*self._limits_of(TaskSpec()))

    async def clear_ahead(self) -> bool:
        """End what was made ahead; return when it is gone, with whether there was any."""
        were_blanks = self._blanks.drop()
        return await self.pool.clear() or were_blanks

    def prepare(self, spec: TaskSpec) -> None:
        """Begin to make a task ahead, unless such a task is not made ahead."""
        shape = shape_of(spec) if self._options.pool else None
        if shape is not None:
            self.pool.prepare(shape)

    async def build(
        self,
        spec: TaskSpec,
        gpus: TaskGpus | None = None,
        beside: str = "",
        *,
        awaited: bool = True,
    ) -> LocalTask:
        """Like `create`, without checking the specification.

        Args:
            spec: what is asked for.
            gpus: the GPUs that the task gets, which it gives back when it has ended.
            beside: as in `create`.
            awaited: whether somebody waits for it, so that it may become what was made ahead.

        Raises:
            BuildFailed: with what the kernel said.
        """
        stack = self.store.stack(spec.image)
        name = str(next(self._names))
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:  # we have as many descriptors as we may have
            raise BuildFailed(error) from error
        snapshotter = Snapshotter(name, self.zygote, self.store, stack)
        at_end = snapshotter.order_exit_snapshot() if spec.exit_snapshot else None
        try:
            task = LocalTask(
                spec,
                self._env(spec, gpus),
                ours,
                self._pumps,
                lambda: self._kill(name),
                lambda kill: self.zygote.free_agent(name, kill),
                lambda: self.zygote.usage(name),
                lambda: self._open_outlet(name),
                snapshotter,
                LocalOutlet(spec, self.gateway),
                self._memory_of(spec),
                self._activity.note,
            )
        except OSError as error:  # the event loop watches as many descriptors as it may
            theirs.close()
            snapshotter.release()
            raise BuildFailed(error) from error
        task.memory, task.gpus = self.memory, gpus
        task.beside = lambda spec: self.create(spec, name)
        try:
            await self.store.share(stack, self.zygote)
            if spec.project:
                await self._prepare_project()
            request = self._request(name, spec, stack, gpus, beside, at_end, awaited=awaited)
            self.zygote.create(task, request, theirs)
            await task.start()
        except EngineUnavailable:
            task.ended(lost="never started")
            task.gone(None)
            raise
        except TaskEnded:
            await asyncio.shield(task.kill())
            if task.failure is not None:  # the zygote says why, after the end of the socket
                raise BuildFailed(task.failure) from None
            if not task.was_blank or task.was_ready:
                raise
            # It was about to end when it was taken: short of memory, the kernel kills what is for
            # sandboxes first. What was asked for has not begun, so it can begin without that.
            return await self.build(spec, awaited=False)
        except BaseException:
            # Whoever cancels this call must not cut the end of the sandbox short.
            await asyncio.shield(task.kill())
            raise
        if awaited:
            self._blanks.keep(request.processes, request.memory, request.cpus)
        return task

    def _kill(self, name: str) -> None:
        self._activity.note()
        self.zygote.kill(name)

    async def _open_outlet(self, name: str) -> list[int]:
        if self.no_network:
            raise Unsupported("sandbox network", self.no_network)
        return await self.zygote.open_outlet(name)

    async def _build_if_possible(self, spec: TaskSpec) -> LocalTask:
        """`build` for a hint, which was not checked yet."""
        self._check(spec)
        return await self.build(spec, awaited=False)

    def _check(self, spec: TaskSpec) -> None:
        check_task(spec, self.zygote.refused)
        if network_of(spec) is not None and self.no_network:
            feature = "network" if spec.membership is None else "sandbox network"
            raise Unsupported(feature, self.no_network)
        if spec.project and self.project is None:
            raise Unsupported("project", self.no_project)

    async def _prepare_project(self) -> None:
        """Find out what does not show of the project, before the first sandbox that shows it."""
        project = self.project
        assert project is not None
        async with self._hiding:
            if self._project_ready:
                return
            try:
                hidden = await asyncio.to_thread(left_out, project)
            except ProjectRefused as refused:
                raise Unsupported("project", str(refused)) from refused
            request = HideRequest(path=project.path, hidden=hidden, kept=list(project.kept))
            await self.zygote.request(request, Succeeded)
            self._project_ready = True

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether forgetting a snapshot frees storage."""
        return self.pool.depends_on(snapshot) or self.store.frees(snapshot)

    def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot."""
        self.pool.forget(snapshot)
        self.store.forget(snapshot)

    def forget_volume(self, volume: str) -> None:
        """Free a volume, if there is one of that name; tasks that have it mounted keep it."""
        number = self._volumes.pop(volume, None)
        if number is not None:
            self.zygote.drop_volume(number)

    async def close(self) -> None:
        """End every task and the zygote."""
        # In this order: what is being made needs the zygote, and pumps end once nothing can write
        # to their pipes, except to those that were passed on.
        self._spares.close()
        self._blanks.close()
        await self.pool.clear()
        await self.zygote.close()
        for pump in list(self._pumps):
            await pump.aclose()

    async def _adopt(self, task: LocalTask, spec: TaskSpec) -> LocalTask | None:
        """Let a task that was made ahead be what was asked for; `None` if it died."""
        try:
            task.become(spec, self._env(spec))
            await task.start()
        except TaskEnded:
            return None
        except BaseException:
            await asyncio.shield(task.kill())
            raise
        return task

    def _env(self, spec: TaskSpec, gpus: TaskGpus | None = None) -> dict[str, str]:
        # As container engines have it: an image may ask for all, and this means none.
        none = {} if self.gpus.missing else {"NVIDIA_VISIBLE_DEVICES": "void"}
        usual = self.image.env
        if self.store.is_of_image(spec.image):
            usual = {"PATH": DEFAULT_PATH, "HOME": usual["HOME"]}
        env = {**usual, **(none if gpus is None else gpus.env), **spec.env}
        if gpus is not None:
            # Images say both, and know nothing of the programs and libraries of these GPUs.
            env["PATH"] = ":".join(filter(None, (gpus.folder, env["PATH"])))
            libraries = [spec.env.get(_LIBRARIES), gpus.env.get(_LIBRARIES)]
            if any(libraries):
                env[_LIBRARIES] = ":".join(filter(None, libraries))
        return env

    def _request(
        self,
        name: str,
        spec: TaskSpec,
        stack: Stack,
        gpus: TaskGpus | None,
        beside: str,
        at_end: LayerAtEnd | None,
        *,
        awaited: bool,
    ) -> CreateRequest:
        processes, memory, cpus = self._limits_of(spec)
        return CreateRequest(
            name=name,
            layers=list(stack),
            volumes=self._mounts(spec),
            hostname=spec.hostname,
            workdir=spec.workdir or DEFAULT_WORKDIR,
            project=spec.project,
            network=network_of(spec) is not None,
            processes=processes,
            memory=memory,
            cpus=cpus,
            gpus=[] if gpus is None else [self._gpu_numbers[each] for each in gpus.files],
            beside=beside,
            at_end=at_end,
            blank=awaited and self._options.pool,
        )

    def _limits_of(self, spec: TaskSpec) -> tuple[int, int, float | None]:
        """Processes and threads, bytes of memory, processors."""
        processes = spec.limits.processes or self._options.processes
        return processes + _OUR_PROCESSES, self._memory_of(spec), spec.limits.cpus

    def _memory_of(self, spec: TaskSpec) -> int:
        return spec.limits.memory or self._memory

    def _mounts(self, spec: TaskSpec) -> list[MountedVolume]:
        """Volumes by number: a name would be a path. Those above come before those below."""
        mounts = []
        for volume in sorted(spec.volumes, key=lambda volume: volume.path):
            number = self._volumes.get(volume.volume)
            if number is None:
                number = self._volumes[volume.volume] = next(self._volume_numbers)
            mounts.append(
                MountedVolume(
                    number=number,
                    path=volume.path,
                    read_only=volume.read_only,
                    sub_path=volume.sub_path,
                )
            )
        return mounts
