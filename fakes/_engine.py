"""The engine in memory."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..engine import Capability, Clock, Engine, EngineInfo, EngineUnavailable, Task, TaskSpec
from ._clock import VirtualClock
from ._image import base_image
from ._kernel import Surroundings
from ._programs import PROGRAMS
from ._shell import shell_program
from ._task import MemoryTask
from ._validate import check_task

if TYPE_CHECKING:
    from ._vfs import Snapshot

_PROGRAMS = {**PROGRAMS, "sh": shell_program("sh"), "bash": shell_program("bash")}


class FakeEngine(Engine):
    """Sandboxes without a kernel: no process, no port, and no way to the machine it runs on.

    Files are in memory and follow the rules of Linux; a few programs and a shell are built in, and
    everything else is scripted.

    Args:
        clock: the time; a `VirtualClock` of its own unless given.
        files: what every sandbox has besides the usual, absolute path to content.
        gpus: names of the GPUs that `nvidia-smi` lists.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        files: Mapping[str, str | bytes] | None = None,
        gpus: Sequence[str] = (),
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self._files = {p: d.encode() if isinstance(d, str) else d for p, d in (files or {}).items()}
        self._around = Surroundings(programs=_PROGRAMS, gpus=tuple(gpus))
        self._image: Snapshot | None = None
        self._tasks: list[MemoryTask] = []
        self._closed = False

    async def start(self) -> EngineInfo:
        """Make the engine ready."""
        now_ns = int(self.clock.now() * 10**9)
        self._image = base_image(_PROGRAMS, self._files, now_ns)
        details = {"gpus": ", ".join(self._around.gpus)} if self._around.gpus else {}
        return EngineInfo("fake", "in memory", frozenset({Capability.PTY}), details)

    async def create(self, spec: TaskSpec) -> Task:
        """Create a task and start its main process."""
        if self._closed or self._image is None:
            raise EngineUnavailable(
                "the engine in memory is closed" if self._closed else "it was not started",
                "Create sandboxes between start() and close().",
            )
        check_task(spec)
        fs = self._image.restore(lambda: int(self.clock.now() * 10**9))
        task = MemoryTask(spec, fs, self.clock, self._around)
        if spec.main is not None:
            task.start_main(spec.main)
        self._tasks = [*(task for task in self._tasks if task.poll() is None), task]
        return task

    async def close(self) -> None:
        """End every task; a second call does nothing."""
        self._closed = True
        for task in self._tasks:
            await task.kill()
        self._tasks.clear()
