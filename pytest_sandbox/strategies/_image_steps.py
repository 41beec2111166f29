"""Steps that take snapshots, create sandboxes from them, and mount them."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, precondition, rule

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import (
    DirectorySnapshot,
    Snapshot,
    SupportsForget,
    SupportsMounts,
    SupportsSnapshots,
    TaskSpec,
)

from ._base import Steps, World
from ._draws import QUESTIONS, ROOT
from ._model import Model, ModelDirectory
from ._subject import Subject, answer

#: Snapshots of one example.
_MOST_IMAGES = 12


@dataclass(eq=False)
class ComparedSnapshot:
    """A snapshot of the sandbox of each engine, and a model of its files.

    Attributes:
        snapshots: by name of the engine.
        model: what files there are.
        looks: rights, times and links of them, by name of the engine; empty if not asked for.
    """

    snapshots: Mapping[str, Snapshot]
    model: Model
    looks: Mapping[str, object]


@dataclass(eq=False)
class ComparedDirectory:
    """The same of a directory."""

    snapshots: Mapping[str, DirectorySnapshot]
    files: ModelDirectory


def _with_images(machine: Steps) -> bool:
    return machine.images_too


class ImageSteps(Steps):
    """Snapshots of sandboxes and of directories; branches; mounts, all of them at `ROOT`.

    All steps work there, so a mount replaces all that they see, and an unmount brings it back.
    """

    images: Bundle[ComparedSnapshot] = Bundle("images")
    directories: Bundle[ComparedDirectory] = Bundle("directories")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made = 0

    @precondition(_with_images)
    @rule(target=images, end=st.booleans())
    def snapshot(self, end: bool) -> Any:
        """Take snapshots; if that ended the sandboxes, continue in copies."""
        if not self._may_make_one():
            return multiple()
        world, model = self.world, self.model.bare()
        looks = self._looks(world) if not world.model.mounted(ROOT) else {}
        snapshots = {
            subject.name: self.run(SupportsSnapshots.of(subject.task).snapshot(end=end))
            for subject in world.subjects
        }
        image = ComparedSnapshot(snapshots, model, looks)
        if end:
            self._has_ended(world)
            self.branch(image)
        return image

    @precondition(_with_images)
    @rule(image=images)
    def branch(self, image: ComparedSnapshot) -> None:
        """Continue in further sandboxes, created from a snapshot."""
        specs = {name: TaskSpec(image=taken) for name, taken in image.snapshots.items()}
        self.enter(deepcopy(image.model), specs)
        if image.looks:
            assert self._looks(self.world) == image.looks

    @precondition(_with_images)
    @rule()
    def switch(self) -> None:
        """Continue in the sandboxes that have been waiting longest."""
        self.worlds.append(self.worlds.pop(0))

    @precondition(_with_images)
    @rule(image=consumes(images))
    def forget(self, image: ComparedSnapshot) -> None:
        """Forget a snapshot; sandboxes created from it continue."""
        for name, taken in image.snapshots.items():
            engine = self.engines[name]
            self.run(SupportsForget.of(engine).forget(taken))
            seen = self.run(answer(engine.create(TaskSpec(image=taken))))
            assert seen == "UnknownImage", f"{name} answered {seen!r} for a forgotten image"

    @precondition(_with_images)
    @rule(target=directories, path=QUESTIONS | st.just(ROOT))
    def snapshot_directory(self, path: str) -> Any:
        """Take snapshots of a directory, wherever a path leads."""
        if not self._may_make_one():
            return multiple()
        snapshots: dict[str, DirectorySnapshot] = {}

        async def ask(subject: Subject) -> bool:
            taker = SupportsSnapshots.of(subject.task)
            snapshots[subject.name] = await taker.snapshot_directory(path)
            return True

        if self.agree(lambda: bool(self.model.directory(path) or True), ask) is not True:
            return multiple()
        return ComparedDirectory(snapshots, deepcopy(self.model.directory(path)))

    @precondition(_with_images)
    @rule(image=st.none() | directories)
    def mount(self, image: ComparedDirectory | None) -> None:
        """Mount a directory, or an empty one, over what is there."""
        files = deepcopy(image.files) if image else ModelDirectory()
        snapshots = image.snapshots if image else {}
        self.agree(
            lambda: self.model.mount(ROOT, files),
            lambda subject: _mounts(subject).mount(ROOT, snapshots.get(subject.name)),
        )

    @precondition(_with_images)
    @rule(path=QUESTIONS)
    def mount_on_what_is_no_directory(self, path: str) -> None:
        """Mounting on what is no directory fails with an errno."""
        if not self.model.is_directory(path):
            self.agree(
                lambda: self.model.directory(path),
                lambda subject: _mounts(subject).mount(path, None),
            )

    @precondition(_with_images)
    @rule()
    def unmount(self) -> None:
        """Undo the latest mount, unless a file in it is open."""
        top = self.model.directory(ROOT)
        busy = any(held.mount is top for held in self.world.opened)
        in_use = busy and self.model.mounted(ROOT)
        self.agree(
            lambda: "EBUSY" if in_use else self.model.unmount(ROOT),
            lambda subject: _mounts(subject).unmount(ROOT),
        )

    def _may_make_one(self) -> bool:
        self._made += 1
        return self._made <= _MOST_IMAGES

    def _looks(self, world: World) -> dict[str, object]:
        """What the model lacks of the files, and snapshots must preserve."""
        return {subject.name: self.run(subject.looks(ROOT)) for subject in world.subjects}

    def _has_ended(self, world: World) -> None:
        for subject in world.subjects:
            assert subject.task.poll() is not None, f"{subject.name} still runs after end=True"
        self.end(world)


def _mounts(subject: Subject) -> SupportsMounts:
    return SupportsMounts.of(subject.task)
