"""The abstract classes that an engine implements."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from pytest_sandbox._shared.clock import Clock

from ._errors import Unsupported
from ._files import Entry, WatchEvent
from ._log import OutputLog
from ._spec import EngineInfo, ProcessSpec, PtySize, TaskSpec
from ._status import ExitStatus, TaskEnd


class OpenFile(ABC):
    """A regular file inside a task, open, addressed by byte offset like `pread(2)`.

    Once closed, it raises `OSError` with `EBADF`; after the end of the task, `TaskEnded`.
    """

    @abstractmethod
    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; empty at the end of the file."""

    @abstractmethod
    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if the file is open for appending."""

    @abstractmethod
    async def size(self) -> int:
        """Bytes in the file now."""

    @abstractmethod
    async def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""

    @abstractmethod
    async def close(self) -> None:
        """Release the file; a second close does nothing."""


class Files(ABC):
    """File operations inside a task, done from inside, as its root user.

    Paths are absolute; one that is not, or holds a NUL, is `EINVAL`. Names that are not UTF-8 are
    text with `surrogateescape`. Failures raise `OSError` with the kernel's errno and the path;
    after the end of the task everything raises `TaskEnded`.
    """

    @abstractmethod
    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file; `flags` as `open(2)` has them (`os.O_RDWR | os.O_CREAT`, ...)."""

    @abstractmethod
    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path; the target of a symbolic link if `follow`."""

    @abstractmethod
    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name; a linked directory is followed."""

    @abstractmethod
    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory; with `parents` also those above it, and an existing one is fine."""

    @abstractmethod
    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link (never its target), or a directory: empty, unless `recursive`."""

    @abstractmethod
    def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory, from the moment of the first `anext`.

        The watch is established when the first `anext` suspends, and ends with `aclose`.
        """

    @abstractmethod
    def pack(self, path: str) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream: links, modes, times and holes kept."""

    @abstractmethod
    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory, which is made if need be.

        Nothing is written elsewhere, whatever names and links are in the stream. One that is no
        tar, or ends early, is `EINVAL`; an error of `stream` itself reaches the caller.
        """


class Connection(ABC):
    """A connection to a port inside a task, both ways.

    After the end of the task, reading gives the end and writing raises `ConnectionError`.
    """

    @abstractmethod
    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty when the peer has ended.

        Raises:
            ConnectionError: the peer broke it off, as a reset of TCP does.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way.

        Raises:
            ConnectionError: the peer is gone, or we ended.
        """

    @abstractmethod
    async def end(self) -> None:
        """Let the peer see the end of what we write; a second call does nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Release the connection; a second call does nothing."""


class Process(ABC):
    """A process inside a task."""

    #: What it wrote; with a terminal, all that came from the terminal.
    stdout: OutputLog
    #: What it wrote to standard error; empty and closed when merged or discarded.
    stderr: OutputLog

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

        When the task ends first, the status is that of `SIGKILL`.
        """

    @abstractmethod
    async def signal(self, number: int) -> None:
        """Send a signal to the process and all its descendants in its session.

        Does nothing after the end of the process.
        """

    @abstractmethod
    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size; does nothing without a terminal."""


class Task(ABC):
    """One sandbox, live or ended."""

    #: The process the task lives and dies with, if its specification had one.
    main: Process | None
    #: File operations inside.
    files: Files

    @abstractmethod
    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process.

        Raises:
            InvalidSpec: the specification makes no sense.
            SpawnFailed: the command cannot be started.
            StoreFull: the engine has no room for another process.
            TaskEnded: the task is over.
        """

    @abstractmethod
    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""

    @abstractmethod
    async def wait(self) -> TaskEnd:
        """Return when it ended and nothing of it is left: no process, no mount, no file."""

    @abstractmethod
    async def kill(self) -> None:
        """End it and return when nothing of it is left; does nothing if it ended before."""

    # What follows, an engine has if it says so in its capabilities. Images are names that it
    # makes up; they are good until `Engine.forget`, and for no other engine.

    async def snapshot(self, *, end: bool = False) -> str:
        """Keep the files as they are now, as an image for `TaskSpec.image`.

        What is mounted is not part of it: volumes, mounted images, `/proc`, `/dev`.
        Processes see nothing of it but a pause. Calls on one task are served one after another.

        Args:
            end: end the task too, which saves copying; it is as if `kill` had been called.

        Raises:
            StoreFull: no room to keep it; the task goes on as before, unless `end`.
            TaskEnded: the task is over.
        """
        raise Unsupported("snapshot", "this engine has none")

    async def snapshot_directory(self, path: str) -> str:
        """Keep a directory as it is now, with what is mounted on it, for `mount`.

        Raises:
            OSError: as `Files` has it, `ENOTDIR` among them.
            StoreFull, TaskEnded: as `snapshot`.
        """
        raise Unsupported("snapshot", "this engine has none")

    async def mount(self, path: str, image: str | None) -> None:
        """Show a directory, writable, at another one; what is written there stays in this task.

        Args:
            path: an existing directory. It hides what is there, also an earlier mount.
            image: what `snapshot_directory` returned; `None` for an empty directory.

        Raises:
            OSError: as `Files` has it.
            InvalidSpec: the image is not one of a directory, or the path cannot be mounted on.
            UnknownImage: there is no such image.
            TaskEnded: the task is over.
        """
        raise Unsupported("mount", "this engine mounts no images")

    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path.

        Raises:
            OSError: `EINVAL` if nothing was mounted there, `EBUSY` if it is in use.
            TaskEnded: the task is over.
        """
        raise Unsupported("unmount", "this engine mounts no images")

    async def snapshot_memory(self) -> str:
        """Keep files and processes as they are now, for `TaskSpec.resume`; the task goes on.

        Raises:
            InvalidSpec: the task is not `freezable`.
            NotFreezable: a process holds something that cannot be kept.
            StoreFull, TaskEnded: as `snapshot`.
        """
        raise Unsupported("memory snapshot", "this engine has none")

    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on, on its loopback interface.

        Raises:
            ConnectionRefusedError: nothing listens there.
            TaskEnded: the task is over.
        """
        raise Unsupported("port", "this engine has no way in")


class Engine(ABC):
    """A place that runs sandboxes."""

    #: Where the server and this engine take the time from.
    clock: Clock

    @abstractmethod
    async def start(self) -> EngineInfo:
        """Make the engine ready; called once, before anything else.

        Raises:
            EngineUnavailable: with the reason, and what to do.
        """

    @abstractmethod
    async def create(self, spec: TaskSpec) -> Task:
        """Create a task and start its main process.

        Raises:
            InvalidSpec, SpawnFailed, StoreFull, UnknownImage, Unsupported: and nothing is left
                behind.
            EngineUnavailable: the engine is not started, is closed, or died.
        """

    @abstractmethod
    async def close(self) -> None:
        """End every task and release everything; a second call does nothing."""

    # What follows, an engine may have.

    async def prepare(self, spec: TaskSpec) -> None:  # noqa: B027 - a hint may be ignored
        """Get ready for a `create` that is likely to come; nothing of it shows but time.

        The main process and the environment may be others then.
        """

    async def forget(self, image: str) -> None:  # noqa: B027 - without images, nothing to do
        """Let go of an image; what it takes is freed when nothing stands on it any more.

        Tasks and images that were made from it stay. One that is not known is fine.
        """

    def frees(self, image: str) -> bool:
        """Whether `forget` would give room now; `True` if that is not known.

        It would not while others stand on all that the image consists of, such as the task that
        it was made from.
        """
        return True

    def export(self, image: str) -> AsyncIterator[bytes]:
        """An image of the filesystem, without `"host"` below it, for `load`.

        Raises:
            UnknownImage: there is no such image.
        """
        raise Unsupported("export", "this engine's images do not outlive it")

    async def load(self, stream: AsyncIterator[bytes]) -> str:
        """Make an image of what `export` gave, in this run or another.

        Raises:
            InvalidSpec: it is not that, or it is not whole; nothing is left behind.
            StoreFull: no room for it.
        """
        raise Unsupported("load", "this engine's images do not outlive it")

    async def forget_volume(self, volume: str) -> None:  # noqa: B027 - without, nothing to do
        """Let go of a volume, by `VolumeMount.volume`; tasks that have it mounted keep it.

        The same name means a new one from then on. One that is not known is fine.
        """
