"""The builds of a server: those that run, those that have ended, and what they made."""

import asyncio
import posixpath
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..async_helpers import start
from ..model.images import ImageRecord
from ..model.local_files import LocalFile
from ..model.state import State
from ..rpc.errors import precondition
from .build import Build
from .build_run import BuildRun
from .context import BuildContext
from .failures import StepFailed
from .flattening import Flattener
from .plan import Plan
from .steps import CopyStep, Placing, Source, StagePlan, layer
from .stored_layers import StoredLayers

#: Builds that have ended and whose output can still be read.
_FINISHED = 100
#: Layers of one definition from which on an image is worth to be flattened at once.
_MANY = 4


class Builder:
    """Builds the images of one server.

    Args:
        state: the server's.
        store_layers: whether layers are stored on disk, for later runs.
    """

    def __init__(self, state: State, *, store_layers: bool = False) -> None:
        self._state = state
        self._stored = StoredLayers(state) if store_layers and state.info.fingerprint else None
        self.flattener = Flattener(state, self._stored)
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
        force = force and bool(plan.stage.layers)
        there = None if force else images.built(plan.key)
        if there is not None:
            return there
        running = self._running.get(plan.key)
        if running is not None:
            return running
        files = None if force else self._there(plan.stage)
        if files is None:
            return self._begin(plan, force=force)
        return self._finished(plan, files, self._state.ids.new("im"))

    def _there(self, source: Source) -> ImageRecord | None:
        """The files of a stage, if they are there already."""
        while isinstance(source, StagePlan):
            if source.layers:
                return self._state.images.built(source.key)
            source = source.base
        ready = self._state.registry_images.is_ready(source.engine_image)
        return source if ready else None

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
            step = CopyStep(tuple(copied), Placing("/"))
            planned = layer(_added(found.files), step, image, image.key)
            plan = Plan.of(StagePlan(image, (planned,), image))
            build = Build("", plan, self._state.clock)
            try:
                below = await BuildRun(self._state, self._locks, build).image()
            except StepFailed as error:
                raise precondition(str(error)) from None
            image = self._state.images.built(plan.key) or self._finished(
                plan, below, self._state.ids.new("im")
            )
        return image

    def used(self, image: ImageRecord) -> None:
        """Say that a sandbox is made of an image, and that others will be."""
        self.flattener.used(image)

    async def close(self) -> None:
        """Interrupt the builds that run, and store what is not stored yet."""
        for build in list(self._running.values()):
            await build.cancel()
        await self.flattener.close()
        if self._stored is not None:
            await self._stored.close()

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
            run = BuildRun(self._state, self._locks, build, self._stored, force=force)
            image = self._finished(build.plan, await run.image(), build.id)
            build.succeed()
            # Images of clients that ask for each step alone are flattened when one is used.
            if len(build.plan.stage.layers) >= _MANY:
                self.flattener.used(image)
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
            lasting=below.lasting,
        )
        self._state.images.add(plan.key, image)
        return image


def _added(files: Sequence[LocalFile]) -> str:
    """The call of a client that adds files, as far as they tell it, and where it adds them."""
    if len(files) == 1:
        return f"add_local_file or add_local_dir: {files[0].path}"
    return (
        f"add_local_dir: {posixpath.commonpath([posixpath.dirname(each.path) for each in files])}"
    )
