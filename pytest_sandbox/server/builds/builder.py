"""Builds images: each step in a sandbox of its own, whose files become the next layer."""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace

from grpclib import GRPCError

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import (
    Capability,
    EngineError,
    Network,
    Output,
    ProcessSpec,
    Snapshot,
    StoreFull,
    SupportsSnapshots,
    Task,
    TaskSpec,
)

from ..async_helpers import start
from ..model.images import ImageRecord
from ..model.state import State
from ..rpc.errors import precondition
from .build import Build
from .context import BuildContext
from .copying import put
from .failures import StepFailed, advice, network_advice
from .plan import Plan
from .steps import CopyStep, LayerPlan, RunStep, layer

#: Builds that have ended and whose output can still be read.
_FINISHED = 100


class Builder:
    """Builds the images of one server.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._builds: OrderedDict[str, Build] = OrderedDict()
        self._running: dict[bytes, Build] = {}
        # Whoever makes a layer holds its lock, so that two builds make it once.
        self._locks: weakref.WeakValueDictionary[bytes, asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def image(self, plan: Plan, *, force: bool = False) -> "ImageRecord | Build":
        """The image of a plan, or the build that makes it.

        Args:
            plan: a definition that was read.
            force: make all layers again.
        """
        images = self._state.images
        there = images.built(plan.key)
        if there is not None and not (force and plan.layers):
            return there
        running = self._running.get(plan.key)
        if running is not None:
            return running
        below = plan.base
        for each in plan.layers:
            found = None if force else images.built(each.key)
            if found is None:
                return self._begin(plan, force=force)
            below = found
        return self._finished(plan, below, self._state.ids.new("im"))

    def find(self, image_id: str) -> Build | None:
        """A build by the id of its image; `None` if there was none, or it ended long ago."""
        return self._builds.get(image_id)

    async def with_local_files(self, image: ImageRecord, mount_ids: Iterable[str]) -> ImageRecord:
        """An image with local files besides, at the paths that each says.

        Raises:
            GRPCError: NOT_FOUND; FAILED_PRECONDITION, they cannot be written.
        """
        for mount_id in mount_ids:
            found = self._state.local_files.get(mount_id)
            if not found.files:
                continue
            copied, _ = BuildContext.of(found.files, ()).select("/")
            step = CopyStep(tuple(copied), "/")
            planned = layer("add_local_*", step, image, image.key)
            plan = Plan(image, (planned,), image, planned.key + b" added")
            build = Build("", plan, self._state.clock)
            try:
                below = await self._layer(build, image, planned)
            except StepFailed as error:
                raise precondition(str(error)) from None
            image = self._state.images.built(plan.key) or self._finished(
                plan, below, self._state.ids.new("im")
            )
        return image

    async def close(self) -> None:
        """Interrupt the builds that run."""
        for build in list(self._running.values()):
            await build.cancel()

    def _begin(self, plan: Plan, *, force: bool) -> Build:
        build = Build(self._state.ids.new("im"), plan, self._state.clock)
        self._builds[build.id] = self._running[plan.key] = build
        ended = [key for key, each in self._builds.items() if each.result is not None]
        for key in ended[: max(0, len(ended) - _FINISHED)]:
            self._builds.pop(key).log.dispose()
        build.begin(start(self._run(build, force=force)))
        return build

    async def _run(self, build: Build, *, force: bool) -> None:
        try:
            below = build.plan.base
            with ExitStack() as pins:
                for number, planned in enumerate(build.plan.layers, 1):
                    pins.enter_context(self._state.snapshot_store.pinned(below.snapshot_id))
                    await build.write(f"=> Step {number}: {planned.line}\n".encode())
                    below = await self._layer(build, below, planned, force=force)
                self._finished(build.plan, below, build.id)
            build.succeed()
        except asyncio.CancelledError:
            build.interrupt()
            raise
        except StepFailed as error:
            build.fail(str(error))
        finally:
            del self._running[build.plan.key]
            build.fail("the build ended by an error of the server")  # unless it has ended

    def _finished(self, plan: Plan, below: ImageRecord, image_id: str) -> ImageRecord:
        """Register the image of a plan, whose last layer is there."""
        image = replace(
            plan.image,
            id=image_id,
            engine_image=below.engine_image,
            snapshot_id=below.snapshot_id,
            key=below.key,
        )
        self._state.images.add(plan.key, image)
        return image

    async def _layer(
        self, build: Build, below: ImageRecord, planned: LayerPlan, *, force: bool = False
    ) -> ImageRecord:
        """The image of a layer: the one that is there, or a new one.

        Raises:
            StepFailed: the step failed.
        """
        lock = self._locks.setdefault(planned.key, asyncio.Lock())
        async with lock:
            found = None if force else self._state.images.built(planned.key)
            if found is not None:
                await build.write(b"   (from the cache)\n")
                return found
            try:
                return await self._make(build, below, planned)
            except (GRPCError, EngineError, OSError) as error:
                reason = error.message if isinstance(error, GRPCError) else error
                raise StepFailed(f"{planned.line}\n{reason}") from error

    async def _make(self, build: Build, below: ImageRecord, planned: LayerPlan) -> ImageRecord:
        with self._state.snapshot_store.pinned(below.snapshot_id):
            try:
                snapshot = await self._snapshot(build, below, planned, end=True)
            except StoreFull as error:
                if not error.forgetting_helps:
                    raise
                # The sandbox has ended, and its files are gone.
                snapshot = await self._snapshot(build, below, planned, end=False)
            return self._state.images.add_layer(
                planned.key, snapshot, planned.image, depends_on=below.snapshot_id
            )

    async def _snapshot(
        self, build: Build, below: ImageRecord, planned: LayerPlan, *, end: bool
    ) -> Snapshot:
        """Do a step; the files as they are then.

        Args:
            build: gets the output.
            below: the image of the layer below.
            planned: the step.
            end: end the sandbox with the snapshot, which is faster, and make no room for that.
        """
        async with AsyncExitStack() as output, self._task(below, planned) as task:
            if isinstance(planned.step, CopyStep):
                await put(task.files, planned.step, self._state.clock.now())
            else:
                await self._command(build, task, planned.line, planned.step, output)
            taker = SupportsSnapshots.of(task)
            if end:
                return await taker.snapshot(end=True)
            return await self._state.snapshot_store.with_room(taker.snapshot)

    async def _command(
        self, build: Build, task: Task, line: str, step: RunStep, output: AsyncExitStack
    ) -> None:
        """Run the command of a step; its output is complete when `output` is closed.

        Raises:
            StepFailed: with the end of its output, and what would help.
        """
        start_of_output = build.log.end
        env = {**step.env, **step.secrets}
        process = await task.exec(ProcessSpec(step.argv, env=env, stderr=Output.STDOUT))
        await process.close_stdin()

        async def copy() -> None:
            async for data in process.stdout.follow():
                await build.write(data)
            await build.write(b"", last=True)

        copying = start(copy())
        # What a step leaves in the background ends with the sandbox, and so does the output.
        output.push_async_callback(asyncio.wait, {copying})
        status = await process.wait()
        if status.code != 0:
            network = await network_advice(task, self._state.info)
            await task.kill()
            await asyncio.wait({copying})
            printed = build.log.tail(build.log.end - start_of_output)
            known = advice(printed)
            raise StepFailed.of_command(line, status, printed, network if known is None else known)

    @asynccontextmanager
    async def _task(self, below: ImageRecord, planned: LayerPlan) -> AsyncIterator[Task]:
        """A sandbox for one step, which ends with the block."""
        info, image = self._state.info, planned.image
        network = info.network if Capability.NETWORK in info.capabilities else None
        spec = TaskSpec(
            image=below.root_image(),
            env=image.env,
            workdir=image.workdir,
            project=image.project,
            network=None if network == Network() else network,
            name=f"build: {planned.line}"[:64],
        )
        task = await finish(self._state.engine.create(spec), lambda task: task.kill())
        try:
            yield task
        finally:
            await finish(task.kill())
