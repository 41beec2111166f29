"""What a session holds by number: tasks, open files, and names of snapshots."""

from __future__ import annotations

import itertools
import logging
from errno import EBADF
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    EngineError,
    EngineUnavailable,
    OciImage,
    StoreFull,
    SupportsForget,
    UnknownImage,
)

from ..wire.failures import failure_of
from ..wire.malformed import Malformed
from ..wire.texts import text_from_wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_sandbox._proto import engine_pb2 as pb
    from pytest_sandbox.engine import AnySnapshot, Engine, OpenFile, Task

log = logging.getLogger("pytest_sandbox.remote")

#: Of one session: more than any machine has room for.
MOST_TASKS = MOST_FILES = MOST_SNAPSHOTS = 100_000
MOST_IMAGES = 10_000


class HeldTask:
    """A task of a session.

    Args:
        number: its name for the near side.
        task: the task.

    Attributes:
        telling: done when the end of a process was told, for each that was started.
    """

    def __init__(self, number: int, task: Task) -> None:
        self.number = number
        self.task = task
        self.telling: set[asyncio.Future[None]] = set()


class Held:
    """The things of one session.

    Args:
        engine: gives the engine, or raises `EngineUnavailable`.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)
        self._tasks: dict[int, HeldTask] = {}
        self._files: dict[int, OpenFile] = {}
        self._images: dict[str, OciImage] = {}
        self._snapshots: dict[AnySnapshot, None] = {}

    @property
    def engine(self) -> Engine:
        """The engine of the session.

        Raises:
            EngineUnavailable: it is not started, or closed.
        """
        return self._engine()

    # Tasks

    def add_task(self, task: Task) -> HeldTask:
        """Hold a task."""
        held = HeldTask(next(self._numbers), task)
        self._tasks[held.number] = held
        return held

    def check_room(self) -> None:
        """Refuse one more task, or file, if there are too many.

        Raises:
            StoreFull: there are.
        """
        if len(self._tasks) >= MOST_TASKS or len(self._files) >= MOST_FILES:
            raise StoreFull(
                f"a session may have {MOST_TASKS} sandboxes and {MOST_FILES} open files",
                forgetting_helps=False,
            )

    def held_task(self, number: int) -> HeldTask:
        """A task by number.

        Raises:
            EngineUnavailable: this session has none by it.
        """
        held = self._tasks.get(number)
        if held is None:
            raise EngineUnavailable(f"the session has no sandbox {number}")
        return held

    def task(self, number: int) -> Task:
        """A task by number.

        Raises:
            EngineUnavailable: this session has none by it.
        """
        return self.held_task(number).task

    def release_task(self, number: int) -> None:
        """Hold a task no more."""
        self._tasks.pop(number, None)

    # Files

    def add_file(self, file: OpenFile) -> int:
        """Hold an open file; its number."""
        number = next(self._numbers)
        self._files[number] = file
        return number

    def file(self, number: int) -> OpenFile:
        """An open file by number.

        Raises:
            OSError: this session has none by it: `EBADF`.
        """
        file = self._files.get(number)
        if file is None:
            raise OSError(EBADF, "the file is closed")
        return file

    def take_file(self, number: int) -> OpenFile | None:
        """Hold a file no more; the file, if there is one."""
        return self._files.pop(number, None)

    # Images and snapshots

    def add_image(self, image: OciImage) -> None:
        """Remember an image that is ready."""
        while len(self._images) >= MOST_IMAGES:
            del self._images[next(iter(self._images))]
        self._images[image.digest] = image

    def has_image(self, image: OciImage) -> bool:
        """Whether an image is ready."""
        return self._images.get(image.digest) == image

    def image(self, message: pb.OciImage) -> OciImage:
        """An image that is ready.

        Raises:
            UnknownImage: it is not.
        """
        image = self._images.get(message.digest)
        if image is None:
            reference = text_from_wire(message.reference)
            raise UnknownImage(f"the image {reference} is not ready on this machine")
        return image

    def add_snapshot(self, snapshot: AnySnapshot) -> None:
        """Remember a snapshot, for `told`."""
        if len(self._snapshots) < MOST_SNAPSHOTS:
            self._snapshots[snapshot] = None

    def drop_snapshot(self, snapshot: AnySnapshot) -> None:
        """Remember a snapshot no more."""
        self._snapshots.pop(snapshot, None)

    def told(self, error: Exception) -> pb.Failure:
        """What the near side is told of an error; a bug is logged too.

        Where there was no room, that has the snapshots that free nothing: the near side evicts
        some, and cannot ask about each in between.
        """
        if not isinstance(error, (EngineError, OSError, Malformed)):
            log.error("a call failed", exc_info=error)
        pinned: list[AnySnapshot] = []
        if isinstance(error, StoreFull):
            engine = self._engine()
            if isinstance(engine, SupportsForget):
                pinned = [each for each in self._snapshots if not engine.frees(each)]
        return failure_of(error, pinned)
