"""Does the steps of one build, each in a sandbox of its own, whose files become the next layer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from grpclib import GRPCError

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import (
    Capability,
    EngineError,
    Files,
    Network,
    Snapshot,
    StoreFull,
    SupportsSnapshots,
    Task,
    TaskSpec,
    VolumeMount,
)

from ..async_helpers import start
from .copying import put
from .copying_between import copy_between
from .failures import StepFailed, advice, connection_log, has_network, network_advice
from .lasting import lasting_layers
from .packages import put_packages
from .running import process_spec, temporary, with_settings
from .steps import CopyFromStep, CopyStep, LayerPlan, PackagesStep, RunStep, Source, StagePlan
from .stored_layers import close
from .users import owner_of

if TYPE_CHECKING:
    import weakref
    from collections.abc import AsyncIterator

    from ..model.images import ImageRecord
    from ..model.state import State
    from .build import Build
    from .stored_layers import StoredLayers

    Locks = weakref.WeakValueDictionary[bytes, asyncio.Lock]


_CACHED = b"   (from the cache)\n"
_OF_EARLIER_RUN = b"   (from the cache of another run)\n"


class BuildRun:
    """Does the steps of one build.

    Args:
        state: the server's.
        locks: for the keys of layers, and for caches that only one step may have at a time.
        build: gets the output.
        stored: layers on disk; `None` to use none.
        force: make all layers again.
    """

    def __init__(
        self,
        state: State,
        locks: Locks,
        build: Build,
        stored: StoredLayers | None = None,
        *,
        force: bool = False,
    ) -> None:
        self._state = state
        self._stored = stored
        self._locks = locks
        self._build = build
        self._force = force
        self._made: dict[bytes, ImageRecord] = {}
        self._stages: dict[StagePlan, ImageRecord] = {}
        self._pins = ExitStack()
        self._number = 0

    async def image(self) -> ImageRecord:
        """The image with the files of the plan.

        Raises:
            StepFailed: a step failed.
        """
        with self._pins:
            return await self._files(self._build.plan.stage)

    async def _files(self, source: Source) -> ImageRecord:
        """The image with the files of a stage, which are made if they are not there."""
        if not isinstance(source, StagePlan):
            await self._ready(source)
            return self._pinned(source)
        if source not in self._stages:
            number, below = await self._topmost(source)
            number, below = await self._recalled(source, number, below)
            lasting = lasting_layers(source)
            for planned in source.layers[number:]:
                number += 1
                made = await self._layer(below, planned, lasting=number <= lasting)
                below = self._pinned(made)
            self._stages[source] = below
        return self._stages[source]

    async def _ready(self, image: ImageRecord) -> None:
        """Have the files of an image, which may be one of a registry."""
        try:
            await self._state.registry_images.make_ready(image.engine_image, self._write)
        except (GRPCError, EngineError, OSError) as error:
            reason = error.message if isinstance(error, GRPCError) else error
            raise StepFailed(f"FROM {image.engine_image}\n{reason}") from error

    async def _write(self, text: str) -> None:
        await self._build.write(text.encode())

    async def _topmost(self, stage: StagePlan) -> tuple[int, ImageRecord]:
        """The topmost layer that is there, and how many are up to it."""
        for number in range(len(stage.layers), 0, -1):
            found = self._find(stage.layers[number - 1].key)
            if found is not None:
                self._pinned(found)
                for planned in stage.layers[:number]:
                    await self._say(planned)
                    await self._build.write(_CACHED)
                return number, found
        return 0, await self._files(stage.base)

    async def _recalled(
        self, stage: StagePlan, number: int, below: ImageRecord
    ) -> tuple[int, ImageRecord]:
        """The topmost layer that an earlier run has stored, above the `number` that are there."""
        if self._stored is None or self._force:
            return number, below
        missing = stage.layers[number : lasting_layers(stage)]
        found = await self._stored.find([planned.key for planned in missing])
        recalled = 0
        try:
            for each in found:
                snapshot = await self._stored.load(each, below)
                if snapshot is None:
                    break
                depends_on = "" if each.whole else below.snapshot_id
                planned = missing[each.number]
                below = self._pinned(self._add(planned, snapshot, depends_on, lasting=True))
                for planned in missing[recalled : each.number + 1]:
                    await self._say(planned)
                    await self._build.write(_OF_EARLIER_RUN)
                recalled = each.number + 1
        finally:
            close(found)
        return number + recalled, below

    def _find(self, key: bytes) -> ImageRecord | None:
        return self._made.get(key) if self._force else self._state.images.built(key)

    def _pinned(self, image: ImageRecord) -> ImageRecord:
        """An image that is not evicted before the end of the build."""
        self._pins.enter_context(self._state.snapshot_store.pinned(image.snapshot_id))
        return image

    async def _say(self, planned: LayerPlan) -> None:
        self._number += 1
        await self._build.write(f"=> Step {self._number}: {planned.line}\n".encode())

    async def _layer(self, below: ImageRecord, planned: LayerPlan, *, lasting: bool) -> ImageRecord:
        """The image of a layer: the one that is there, or a new one.

        Args:
            below: the image of the layer below.
            planned: the layer.
            lasting: whether its key means the same in later runs.

        Raises:
            StepFailed: the step failed.
        """
        for source in planned.step.images:
            await self._files(source)
        await self._say(planned)
        lock = self._locks.setdefault(planned.key, asyncio.Lock())
        async with lock:
            found = self._find(planned.key)
            if found is not None:
                await self._build.write(_CACHED)
                return found
            stored = self._stored if lasting else None
            made = await self._make_once(below, planned, stored)
            self._made[planned.key] = made
            return made

    async def _make_once(
        self, below: ImageRecord, planned: LayerPlan, stored: StoredLayers | None
    ) -> ImageRecord:
        """Make a layer, unless another run has stored it meanwhile, and store it."""

        async def waiting() -> None:
            await self._build.write(b"   (another run does it: waiting for that)\n")

        if stored is None:
            return await self._make(below, planned, lasting=False)
        lock = None if self._force else await stored.lock(planned.key, waiting)
        try:
            if lock is not None:
                for found in await stored.find([planned.key]):
                    with found.content:
                        snapshot = await stored.load(found, below)
                    if snapshot is not None:
                        await self._build.write(_OF_EARLIER_RUN)
                        await lock.release()
                        depends_on = "" if found.whole else below.snapshot_id
                        return self._add(planned, snapshot, depends_on, lasting=True)
            made = await self._make(below, planned, lasting=True)
        except BaseException:
            if lock is not None:
                await finish(lock.release())
            raise
        stored.store_soon(planned.key, made, below, lock)
        return made

    async def _make(self, below: ImageRecord, planned: LayerPlan, *, lasting: bool) -> ImageRecord:
        try:
            try:
                snapshot = await self._snapshot(below, planned, end=True)
            except StoreFull as error:
                if not error.forgetting_helps:
                    raise
                # The sandbox has ended, and its files are gone.
                snapshot = await self._snapshot(below, planned, end=False)
        except (GRPCError, EngineError, OSError, ValueError) as error:
            reason = error.message if isinstance(error, GRPCError) else error
            raise StepFailed.of_files(planned.line, str(reason)) from error
        return self._add(planned, snapshot, below.snapshot_id, lasting=lasting)

    def _add(
        self, planned: LayerPlan, snapshot: Snapshot, depends_on: str, *, lasting: bool
    ) -> ImageRecord:
        return self._state.images.add_layer(
            planned.key, snapshot, planned.image, depends_on=depends_on, lasting=lasting
        )

    async def _snapshot(self, below: ImageRecord, planned: LayerPlan, *, end: bool) -> Snapshot:
        """Do a step; the files as they are then.

        Args:
            below: the image of the layer below.
            planned: the step.
            end: end the sandbox with the snapshot, which is faster, and make no room for that.
        """
        step = planned.step
        async with AsyncExitStack() as last, self._task(below, planned) as task:
            async with AsyncExitStack() as others:
                now = self._state.clock.now()
                any_name = self._state.info.one_image

                async def files_of(source: Source) -> Files:
                    image = await self._files(source)
                    spec = TaskSpec(image=image.root_image(), name=f"build: {planned.line}"[:64])
                    return (await others.enter_async_context(self._lasting(spec))).files

                if isinstance(step, CopyStep):
                    owner = await owner_of(task.files, step.placing.owner, any_name=any_name)
                    await put(task.files, step, owner, now)
                elif isinstance(step, PackagesStep):
                    await put_packages(self._state.engine, task.files, self._write)
                elif isinstance(step, CopyFromStep):
                    source = await files_of(step.image)
                    owner = await owner_of(task.files, step.placing.owner, any_name=any_name)
                    await copy_between(source, step.sources, task.files, step.placing, owner)
                else:
                    online = step.network and has_network(self._state.info)
                    step = with_settings(step, planned.image.env, network=online)
                    await self._enter_locks(step, others)
                    async with temporary(task, step, files_of, now):
                        await self._command(task, planned.line, step, last)
            taker = SupportsSnapshots.of(task)
            if end:
                return await taker.snapshot(end=True)
            return await self._state.snapshot_store.with_room(taker.snapshot)

    async def _enter_locks(self, step: RunStep, stack: AsyncExitStack) -> None:
        """Have caches alone that only one step may have at a time."""
        # In one order, so that no two steps wait for each other.
        for name in sorted({each.name for each in step.caches if not each.shared}):
            lock = self._locks.setdefault(name.encode(), asyncio.Lock())
            await stack.enter_async_context(lock)

    async def _command(self, task: Task, line: str, step: RunStep, last: AsyncExitStack) -> None:
        """Run the command of a step; its output is complete when `last` is closed.

        Raises:
            StepFailed: with the end of its output, and what would help.
        """
        build = self._build
        start_of_output = build.log.end
        process = await task.exec(
            await process_spec(task, step, any_name=self._state.info.one_image)
        )
        await process.close_stdin()

        async def copy() -> None:
            async for data in process.stdout.follow():
                await build.write(data)
            await build.write(b"", last=True)

        copying = start(copy())
        # What a step leaves in the background ends with the sandbox, and so does the output.
        last.push_async_callback(asyncio.wait, {copying})
        status = await process.wait()
        if process.lost is not None:
            raise to_raise(process.lost)
        if status.code != 0:
            connections = await connection_log(task)
            await task.kill()
            await asyncio.wait({copying})
            printed = build.log.tail(build.log.end - start_of_output)
            known = advice(printed)
            network = network_advice(connections, self._state.info, printed)
            raise StepFailed.of_command(line, status, printed, network if known is None else known)

    @asynccontextmanager
    async def _task(self, below: ImageRecord, planned: LayerPlan) -> AsyncIterator[Task]:
        """A sandbox for one step, which ends with the block."""
        info, image, step = self._state.info, planned.image, planned.step
        network = info.network if Capability.NETWORK in info.capabilities else None
        volumes: tuple[VolumeMount, ...] = ()
        if isinstance(step, RunStep):
            network = network if step.network else None
            volumes = tuple(
                VolumeMount(each.name, each.path, each.read_only) for each in step.caches
            )
        spec = TaskSpec(
            image=below.root_image(),
            env=image.env,
            workdir=image.workdir,
            project=image.project,
            network=None if network == Network() else network,
            volumes=volumes,
            name=f"build: {planned.line}"[:64],
        )
        async with self._lasting(spec) as task:
            yield task

    @asynccontextmanager
    async def _lasting(self, spec: TaskSpec) -> AsyncIterator[Task]:
        task = await finish(self._state.engine.create(spec), lambda task: task.kill())
        try:
            yield task
        finally:
            await finish(task.kill())
