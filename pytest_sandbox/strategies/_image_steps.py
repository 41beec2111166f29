"""Steps that keep files as they are, and go on from them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, precondition, rule

from pytest_sandbox.engine import TaskSpec

from ._base import Steps, World
from ._draws import QUESTIONS, ROOT
from ._model import Directory, Model
from ._subject import Subject, answer

#: Images of one example.
_MOST_IMAGES = 12


@dataclass(eq=False)
class Image:
    """An image of each engine, and what is in it.

    Attributes:
        names: name of the engine to that of the image.
        model: what files there are.
        looks: name of the engine to what else it told of them; empty if it was not asked.
    """

    names: Mapping[str, str]
    model: Model
    looks: Mapping[str, object]


@dataclass(eq=False)
class KeptDirectory:
    """The same of a directory."""

    names: Mapping[str, str]
    files: Directory


def _with_images(machine: Steps) -> bool:
    return machine.images_too


class ImageSteps(Steps):
    """Images of sandboxes and of directories; branches; mounts, all of them at `ROOT`.

    That is where everything happens, so what is seen there changes as a whole, and comes back.
    """

    images: Bundle[Image] = Bundle("images")
    directories: Bundle[KeptDirectory] = Bundle("directories")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made = 0

    @precondition(_with_images)
    @rule(target=images, end=st.booleans())
    def snapshot(self, end: bool) -> Any:
        """Keep the files; those who end then go on in a copy."""
        if not self._may_make_one():
            return multiple()
        world, model = self.world, self.model.bare()
        looks = self._looks(world) if not world.model.mounted(ROOT) else {}
        names = {s.name: self.run(s.task.snapshot(end=end)) for s in world.subjects}
        image = Image(names, model, looks)
        if end:
            self._has_ended(world)
            self.branch(image)
        return image

    @precondition(_with_images)
    @rule(image=images)
    def branch(self, image: Image) -> None:
        """Go on in further sandboxes, which have the files of an image."""
        specs = {name: TaskSpec(image=kept) for name, kept in image.names.items()}
        self.enter(deepcopy(image.model), specs)
        if image.looks:
            assert self._looks(self.world) == image.looks

    @precondition(_with_images)
    @rule()
    def switch(self) -> None:
        """Go on in the sandboxes that have been waiting longest."""
        self.worlds.append(self.worlds.pop(0))

    @precondition(_with_images)
    @rule(image=consumes(images))
    def forget(self, image: Image) -> None:
        """Forget an image; what was made from it goes on."""
        for name, kept in image.names.items():
            engine = self.engines[name]
            self.run(engine.forget(kept))
            seen = self.run(answer(engine.create(TaskSpec(image=kept))))
            assert seen == "UnknownImage", f"{name} answers {seen!r} to a forgotten image"

    @precondition(_with_images)
    @rule(target=directories, path=QUESTIONS | st.just(ROOT))
    def keep_directory(self, path: str) -> Any:
        """Keep a directory, wherever a path leads."""
        if not self._may_make_one():
            return multiple()
        names: dict[str, str] = {}

        async def ask(subject: Subject) -> bool:
            names[subject.name] = await subject.task.snapshot_directory(path)
            return True

        if self.agree(lambda: bool(self.model.directory(path) or True), ask) is not True:
            return multiple()
        return KeptDirectory(names, deepcopy(self.model.directory(path)))

    @precondition(_with_images)
    @rule(kept=st.none() | directories)
    def mount(self, kept: KeptDirectory | None) -> None:
        """Show a directory, or an empty one, in the place of what there is."""
        files = deepcopy(kept.files) if kept else Directory()
        self.agree(
            lambda: self.model.mount(ROOT, files),
            lambda subject: subject.task.mount(ROOT, kept.names[subject.name] if kept else None),
        )

    @precondition(_with_images)
    @rule(path=QUESTIONS)
    def mount_on_what_is_no_directory(self, path: str) -> None:
        """What cannot be mounted on says why."""
        if not self.model.is_directory(path):
            self.agree(
                lambda: self.model.directory(path), lambda subject: subject.task.mount(path, None)
            )

    @precondition(_with_images)
    @rule()
    def unmount(self) -> None:
        """Show again what was there before, unless a file is open in what is there now."""
        top = self.model.directory(ROOT)
        busy = any(held.mount is top for held in self.world.opened)
        in_use = busy and self.model.mounted(ROOT)
        self.agree(
            lambda: "EBUSY" if in_use else self.model.unmount(ROOT),
            lambda subject: subject.task.unmount(ROOT),
        )

    def _may_make_one(self) -> bool:
        self._made += 1
        return self._made <= _MOST_IMAGES

    def _looks(self, world: World) -> dict[str, object]:
        """What the model does not know of the files, and images have to keep."""
        return {subject.name: self.run(subject.looks(ROOT)) for subject in world.subjects}

    def _has_ended(self, world: World) -> None:
        for subject in world.subjects:
            assert subject.task.poll() is not None, f"{subject.name} goes on after end=True"
        self.end(world)
