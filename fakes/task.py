"""A task as the engine contract has it."""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_sandbox._shared.checks import is_absolute_path
from pytest_sandbox._shared.gpus.simulated import SimulatedGpu
from pytest_sandbox.engine import (
    DEFAULT_PATH,
    DEFAULT_WORKDIR,
    Clock,
    Connection,
    DirectorySnapshot,
    EndCause,
    EngineError,
    InvalidSpec,
    Membership,
    MemorySnapshot,
    Network,
    NetworkLog,
    Process,
    ProcessSpec,
    RootImage,
    Snapshot,
    SpawnFailed,
    SupportsExitSnapshots,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsPorts,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsUsage,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    Usage,
    check_membership,
    check_network,
    check_process,
)

from .files.disk import Disk, DiskSnapshot
from .files.memory_files import MemoryFiles
from .files.trees import copied, make_folders
from .files.vfs import Filesystem
from .files.view import FileView
from .files.walk import fail
from .gpus import environment
from .processes.kernel import Kernel
from .processes.memory_process import MemoryProcess
from .processes.memory_snapshot import MemoryImage, restore_memory, snapshot_memory
from .processes.process import KernelHooks
from .stored_snapshots import StoredSnapshots

_ENVIRONMENT = {"HOME": "/root", "PATH": DEFAULT_PATH}

#: Top-level directories that belong to the kernel.
_SYSTEM = ("dev", "proc", "sys")


class MemoryTask(
    Task,
    SupportsSnapshots,
    SupportsExitSnapshots,
    SupportsMounts,
    SupportsMemorySnapshots,
    SupportsPorts,
    SupportsNetworkLog,
    SupportsNetworkChange,
    SupportsSidecars,
    SupportsUsage,
):
    """One sandbox in memory.

    Attributes:
        at_end: called once it has ended.

    Args:
        spec: what it is.
        fs: its files.
        gpus: what it has of these.
        clock: its time.
        hooks: what the engine does for its kernels.
        images: the store of its snapshots.
    """

    def __init__(
        self,
        spec: TaskSpec,
        fs: Filesystem,
        gpus: Sequence[SimulatedGpu],
        clock: Clock,
        hooks: KernelHooks,
        images: StoredSnapshots,
    ) -> None:
        self.spec = spec
        self._images = images
        self.kernel = Kernel(fs, clock, spec, gpus, hooks)
        self.files: MemoryFiles = MemoryFiles(fs)
        self.main = None
        self._main: MemoryProcess | None = None
        self.at_end: list[Callable[[], None]] = []
        #: Makes a task that shares its limits; the engine's.
        self.beside: Callable[[TaskSpec, MemoryTask], MemoryTask] | None = None
        #: The files of an image; the engine's.
        self.files_of: Callable[[DirectorySnapshot | RootImage], DiskSnapshot] | None = None
        #: Makes it a member of a network; the engine's.
        self.enter: Callable[[MemoryTask, Membership], None] | None = None
        self._end: TaskEnd | None = None
        self._over = asyncio.Event()
        self._at_exit: Snapshot | None = None
        self._workdir = spec.workdir or DEFAULT_WORKDIR
        make_folders(fs, self._workdir)

    def start_main(self, spec: ProcessSpec) -> None:
        """Start the main process, whose end is the end of the task.

        Raises:
            SpawnFailed: the command cannot be started.
        """
        self._be_main(self._start(spec))

    def resume(self, image: MemoryImage) -> None:
        """Resume the processes of a snapshot, whose files this task has."""
        main = restore_memory(image, self.kernel)
        if main is not None:
            self._be_main(main)

    def _be_main(self, main: MemoryProcess) -> None:
        self.main = self._main = main

        def ended() -> None:
            if main.proc.out_of_memory:
                limit = self.kernel.memory >> 20
                detail = f"the sandbox ran out of memory (its limit is {limit} MiB)"
                self.finish(TaskEnd(EndCause.OUT_OF_MEMORY, main.proc.status, detail))
            else:
                self.finish(TaskEnd(EndCause.EXITED, main.proc.status))

        main.proc.at_end.append(ended)

    async def set_network(self, network: Network) -> None:
        """Allow other connections than before; those that no longer are have ended on return."""
        self._check()
        check_network(network, member=self.spec.membership is not None)
        self.spec = replace(self.spec, network=network)
        self.kernel.outward.change(network)

    async def create_sidecar(self, spec: TaskSpec) -> Task:
        """Create a task that shares the limits of this one."""
        self._check()
        assert self.beside is not None
        return self.beside(spec, self)

    async def join(self, membership: Membership) -> None:
        """Be in a network of sandboxes, although it was created in none."""
        self._check()
        check_membership(membership)
        if self.spec.membership is not None:
            raise InvalidSpec("the sandbox is in a network of sandboxes already")
        if self.spec.network is not None:
            check_network(self.spec.network, member=True)
        assert self.enter is not None
        self.spec = replace(self.spec, membership=membership)
        self.enter(self, membership)

    async def network_log(self) -> NetworkLog:
        """What scripted commands connected to."""
        return self.kernel.outward.log()

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        self._check()
        check_process(spec)
        return self._start(spec)

    def _start(self, spec: ProcessSpec) -> MemoryProcess:
        env = {**_ENVIRONMENT, **environment(self.kernel.gpus), **self.spec.env, **spec.env}
        workdir = spec.workdir or self._workdir
        try:
            cwd = self.kernel.fs.folder(workdir)
        except OSError as error:
            number = error.errno or 0
            raise SpawnFailed(
                number, f"cannot start in the directory {workdir!r}: {os.strerror(number)}"
            ) from None
        process = None
        try:
            process = MemoryProcess(self.kernel, spec, env, cwd)
            program = self.kernel.program(process.proc)
        except OSError as error:
            raise self._failed(spec, process, error) from None
        except EngineError:  # a script of the test says so
            assert process is not None
            process.proc.abandon()
            raise
        process.proc.start(program)
        return process

    def _failed(
        self, spec: ProcessSpec, process: MemoryProcess | None, error: OSError
    ) -> SpawnFailed:
        number = error.errno or 0
        message = f"cannot start {spec.argv[0]!r}: {os.strerror(number)}"
        if error.filename not in (None, spec.argv[0]):
            message += f" ({error.filename})"
        if process is not None:
            if isinstance(error, FileNotFoundError):
                hint = self.kernel.hooks.problems.unknown(process.proc, process.proc.argv)
                message += f"\n{hint}" if hint else ""
            process.proc.abandon()
        return SpawnFailed(number, message)

    @property
    def view(self) -> FileView:
        """Its files, for a test to read and write at once."""
        return FileView(self.kernel.fs, self._workdir)

    async def connect(self, port: int) -> Connection:
        """Connect to a port that a process or a script of the test listens on."""
        self._check()
        return self.kernel.ports.connect(port)

    async def usage(self) -> Usage:
        """What its programs used; they take no time of a processor."""
        used = self.kernel.usage
        return Usage(0.0, used.most_held, used.written, used.most_processes, used.oom_kills)

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files; costs the same whatever the size."""
        self._check()
        snapshot = self._images.add_files(self.kernel.fs.disk.snapshot())
        if end:
            await self.kill()
        return snapshot

    async def exit_snapshot(self) -> Snapshot:
        """The files as they were when the task ended."""
        if not self.spec.exit_snapshot:
            raise InvalidSpec("the sandbox was created without exit_snapshot")
        await self._over.wait()
        assert self._at_exit is not None
        return self._at_exit

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory, including what is mounted on it; nothing is shared."""
        self._check_path(path)
        return self._images.add_directory(copied(self.kernel.fs, path).snapshot())

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory or an image over a directory; it has a disk of its own."""
        self._check_path(path)
        fs = self.kernel.fs
        place = fs.path_of(fs.folder(path))
        if place == "/" or place.split("/")[1] in _SYSTEM:
            raise InvalidSpec(f"nothing can be mounted at {path!r}: it belongs to the system")
        if snapshot is None:
            disk = Disk(fs.disk.now_ns, size=fs.disk.size)
        else:
            assert self.files_of is not None
            disk = self.files_of(snapshot).restore(fs.disk.now_ns)
        fs.mount(path, disk)

    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path."""
        self._check_path(path)
        self.kernel.fs.unmount(path)

    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes; the task continues."""
        self._check()
        if not self.spec.freezable:
            raise InvalidSpec(
                "a memory snapshot can only be taken of a sandbox that was created for it"
            )
        main = self._main.proc.pid if self._main else None
        return self._images.add_memory(snapshot_memory(self.kernel, main))

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self._end

    async def wait(self) -> TaskEnd:
        """Return when it ended and nothing of it is left."""
        await self._over.wait()
        await self.kernel.drain()
        assert self._end is not None
        return self._end

    async def kill(self) -> None:
        """End it; does nothing if it ended before."""
        self.finish(TaskEnd(EndCause.KILLED))
        await self.kernel.drain()

    def finish(self, end: TaskEnd) -> None:
        """The task has ended; only the first end counts."""
        if self._end is None:
            self._end = end
            self.kernel.kill_all()
            if self.spec.exit_snapshot:
                self._at_exit = self._images.add_files(self.kernel.fs.disk.snapshot())
            self.files.end()
            for call in self.at_end:
                call()
            self.at_end.clear()
            self._over.set()

    def _check_path(self, path: str) -> None:
        self._check()
        if not is_absolute_path(path):
            fail(errno.EINVAL, path)

    def _check(self) -> None:
        if self._end is not None:
            raise TaskEnded("the sandbox has ended")
