"""A task: one sandbox, as an engine runs it."""

from abc import ABC, abstractmethod

from ._files import Files
from ._process import Process
from ._spec import DEFAULT_WORKDIR, ProcessSpec
from ._status import TaskEnd


class Task(ABC):
    """One sandbox, live or ended.

    What it may be able to do besides is in the abilities: `SupportsSnapshots`, `SupportsMounts`,
    `SupportsMemorySnapshots`, `SupportsPorts`, `SupportsUsage`.
    """

    #: Its main process, if the specification had one: the task ends with it.
    main: Process | None
    #: File operations inside.
    files: Files
    #: Where its own files are; without `Capability.ISOLATION`, a directory of this machine, and all
    #: paths are paths of this machine.
    folder: str = "/"
    #: Where its processes start unless a specification says otherwise.
    default_workdir: str = DEFAULT_WORKDIR

    @abstractmethod
    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process.

        Raises:
            InvalidSpec: the specification makes no sense.
            SpawnFailed: the command cannot be started.
            StoreFull: the engine has no room for another process.
            TaskEnded: the task has ended.
        """

    @abstractmethod
    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""

    @abstractmethod
    async def wait(self) -> TaskEnd:
        """Return when it ended.

        None of its processes runs any more, or can, and its names and ports are free. What else it
        had, an engine may free behind that, soon; at the latest before `close` returns.
        """

    @abstractmethod
    async def kill(self) -> None:
        """End it and return when it has ended, see `wait`; does nothing if it ended before."""
