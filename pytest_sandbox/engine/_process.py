"""A process inside a task."""

from abc import ABC, abstractmethod

from ._errors import TaskLost
from ._log import OutputLog
from ._spec import PtySize
from ._status import ExitStatus


class Process(ABC):
    """A process inside a task."""

    #: What it wrote; with a terminal, all that came from the terminal.
    stdout: OutputLog
    #: What it wrote to standard error; empty and closed when merged or discarded.
    stderr: OutputLog
    #: Set once nobody can say how it ended, because its machine is gone.
    lost: TaskLost | None = None

    @abstractmethod
    async def write_stdin(self, data: bytes) -> None:
        """Return when all of `data` is in the pipe.

        Raises:
            BrokenPipeError: the process closed its standard input, or is gone; or we closed it.
        """

    @abstractmethod
    async def close_stdin(self) -> None:
        """Let the process see the end of its input; a second call does nothing."""

    @abstractmethod
    def poll(self) -> ExitStatus | None:
        """How it ended, or `None` while it runs."""

    @abstractmethod
    async def wait(self) -> ExitStatus:
        """Return when it ended; its output may still be draining.

        When the task ends first, the status is that of `SIGKILL`; also when the process is `lost`.
        """

    @abstractmethod
    async def signal(self, number: int) -> None:
        """Send a signal to the process and all its descendants in its session.

        Does nothing after the end of the process.
        """

    @abstractmethod
    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size; does nothing without a terminal."""
