"""The errors of engines, and whose fault each is.

    EngineError
    ├── EngineUnavailable   this machine cannot run the engine       (the machine's)
    ├── InvalidSpec         the request makes no sense                (the caller's)
    ├── Unsupported         a feature this engine does not have       (the caller's)
    ├── SpawnFailed         the command could not be started          (the caller's)
    ├── UnknownImage        there is no such image, or no longer      (the caller's)
    ├── NotFreezable        a process that cannot be saved            (the program's)
    ├── StoreFull           no room left for another sandbox          (the machine's)
    ├── TaskEnded           the task has ended                        (none)
    │   └── TaskLost        its machine is gone                       (the machine's)
    └── OutputDropped       the output was dropped to make room       (the caller's, too late)

File operations raise plain `OSError` with the errno and path that the kernel gave.
"""


class EngineError(Exception):
    """Base of everything that an engine raises on purpose."""


class EngineUnavailable(EngineError):
    """This machine cannot run the engine.

    Args:
        reason: what was tried and what the kernel said.
        remedy: what to do about it, a command if there is one.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}\n{remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class InvalidSpec(EngineError):
    """A specification that no engine could run; the message shows the value."""


class Unsupported(EngineError):
    """A feature that this engine does not have, or that this machine does not allow."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(f"{feature}: {reason}")
        self.feature = feature


class SpawnFailed(EngineError):
    """A command could not be started.

    Args:
        errno: why, as the kernel put it (`ENOENT`, `EACCES`, `ENOEXEC`, `E2BIG`, ...).
        message: the sentence for the user; it names the command or the directory.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class UnknownImage(EngineError):
    """There is no such image, or it was forgotten."""


class NotFreezable(EngineError):
    """The memory of a process cannot be saved.

    The message names the process, the reason, and the words of the tool that tried.
    """


class StoreFull(EngineError):
    """The machine has no room for another sandbox, or for another snapshot.

    Args:
        message: the sentence for the user.
        forgetting_helps: whether there may be room once snapshots are forgotten.
    """

    def __init__(self, message: str, *, forgetting_helps: bool = True) -> None:
        super().__init__(message)
        self.forgetting_helps = forgetting_helps


class TaskEnded(EngineError):
    """The task has ended, before the call or during it."""


class TaskLost(TaskEnded):
    """The machine that ran the task is gone, so nobody knows how it, or a process of it, ended.

    The message names the machine.
    """


class OutputDropped(EngineError):
    """The output at this offset was read before, and dropped to make room for newer output."""

    def __init__(self, offset: int, first: int) -> None:
        super().__init__(
            f"output at byte {offset} was dropped to make room; the oldest byte held is {first}"
        )
        self.offset = offset
        self.first = first
