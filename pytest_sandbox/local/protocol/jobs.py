"""Between the engine and a job: a process that an agent forks for work on files that takes long.

The engine asks the agent, which answers `JobStarted` once the job is under way. The job then talks
over a socket of its own, whose other end came with the request: any number of `DirectoryEntries` or
`FileChanged`, then `Succeeded` or `Failed`. In between it says `JobRuns`. It ends when it is done,
and one that watches when the engine closes that socket.
"""

from __future__ import annotations

from .common import Failed, Succeeded
from .message import Message
from .wire import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .message import Unbounded

# What the engine asks the agent for. Beside each is the job's socket.


class ListDirectoryJob(Message, descriptors=1):
    """Describe all that a directory holds; the job says `DirectoryEntries`."""

    path: str


class RemoveTreeJob(Message, descriptors=1):
    """Remove a path, and all that is below it."""

    path: str


class WatchJob(Message, descriptors=1):
    """Watch a path from now on; the job says `FileChanged`, and ends only with its socket.

    Attributes:
        path: a file or a directory.
        recursive: whether to watch all directories below it too.
    """

    path: str
    recursive: bool


class PackJob(Message, descriptors=2):
    """Write what a directory holds, as a tar stream, to a pipe: the second descriptor.

    Attributes:
        path: of the directory.
        file: whether it is that of a file instead.
    """

    path: str
    file: bool


class UnpackJob(Message, descriptors=2):
    """Write a tar stream, from a pipe, into a directory; the pipe is the second descriptor."""

    path: str


class EndJobRequest(Message):
    """Kill a job; answered by `Succeeded`, even if it has ended.

    Attributes:
        pid: as in `JobStarted`.
    """

    pid: int


JOBS = (ListDirectoryJob, RemoveTreeJob, WatchJob, PackJob, UnpackJob)

# What the agent answers.


class JobStarted(Message):
    """A job is under way.

    Attributes:
        pid: its number in the sandbox.
    """

    pid: int


# What a job says.


class JobRuns(Message):
    """Said from time to time, so that the engine sees that programs leave the job time to run."""


class FileStatus(Message):
    """Part of others: a file, as `stat(2)` has it.

    Attributes:
        mode: its kind and its permissions.
        size: bytes.
        uid: its owner.
        gid: its group.
        owner: the owner's name inside; the number if there is none.
        group: the group's.
        mtime_ns: when it was changed, in nanoseconds since 1970.
        target: of a symbolic link.
    """

    mode: int
    size: int
    uid: int
    gid: int
    owner: str
    group: str
    mtime_ns: Unbounded
    target: str | None


class DirectoryEntry(Message):
    """Part of another: a name in a directory."""

    name: str
    info: FileStatus


class DirectoryEntries(Message):
    """Some of what a directory holds; more may come."""

    entries: list[DirectoryEntry]


class FileChanged(Message):
    """What `WatchJob` saw.

    Attributes:
        kind: what happened; `Unknown` if so much did that some of it was missed.
        paths: to what; two of them for `Rename`, the old one first.
    """

    kind: Literal[
        "Access", "Create", "Modify", "Remove", "Rename", "RenameFrom", "RenameTo", "Unknown"
    ]
    paths: list[str]


JOB_TO_ENGINE = family(DirectoryEntries, FileChanged, JobRuns, Succeeded, Failed)
