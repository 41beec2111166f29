"""How processes and tasks end."""

from enum import Enum

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._errors import TaskLost


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended: by itself with `code`, or by `signal`; exactly one is set."""

    code: int | None = None
    signal: int | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.signal is None):
            raise ValueError(f"exactly one of code and signal is set, not {self!r}")

    @property
    def returncode(self) -> int:
        """The code as a shell gives it: 128 plus the number for a signal."""
        return self.code if self.code is not None else 128 + (self.signal or 0)


class EndCause(Enum):
    """Why a task has ended."""

    EXITED = "exited"  #: its main process ended
    KILLED = "killed"  #: `Task.kill` was called
    OUT_OF_MEMORY = "out of memory"  #: the kernel killed its main process for memory
    LOST = "lost"  #: its agent or the engine died


@dataclass(frozen=True)
class TaskEnd:
    """The end of a task.

    Attributes:
        cause: why it has ended.
        status: how its main process ended, if it had one that ended by itself.
        detail: a sentence for people, where there is more to say.
        lost: set if nobody knows how it ended, because its machine is gone; the cause is `LOST`.
    """

    cause: EndCause
    status: ExitStatus | None = None
    detail: str = ""
    lost: TaskLost | None = None
