"""The memory of a sandbox: its processes, with what they have open, apart from any sandbox."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import NotFreezable, Output, OutputLog, ProcessSpec

from ..files.handle import Handle
from .description import Description, Document, Logged, OpenedFile
from .memory_process import MemoryProcess
from .snapshotable import Snapshotable

if TYPE_CHECKING:
    from ..files.mounts import Node
    from ..files.vfs import Filesystem
    from .kernel import Kernel
    from .process import SandboxProcess

#: Makes what a descriptor points to in a copy, of its filesystem and the streams of its process.
_Restore = Callable[["Filesystem", "tuple[Description, ...]"], Description]


@dataclass(frozen=True)
class ProcessSnapshot:
    """A process as it was.

    Attributes:
        pid: its number.
        group: its process group.
        session: its session.
        argv: its command line.
        env: its environment.
        cwd: its working directory.
        umask: its umask.
        ignored: the signals that it ignores.
        program: what it resumes.
        spec: what it was started as from outside, if it was.
        pending: what it was sent and has not read.
        fds: descriptor number to what it points to: a key, the same for descriptors that share
            it, and what makes it.
    """

    pid: int
    group: int
    session: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: "Node"
    umask: int
    ignored: frozenset[int]
    program: Snapshotable
    spec: ProcessSpec | None
    pending: bytes
    fds: Mapping[int, tuple[int, _Restore]]


@dataclass(frozen=True)
class MemoryImage:
    """Files and processes of a sandbox."""

    fs: "Filesystem"
    processes: tuple[ProcessSnapshot, ...]
    main: int | None


def snapshot_memory(kernel: "Kernel", main: int | None) -> MemoryImage:
    """Take a snapshot of all files and processes.

    Args:
        kernel: of the sandbox.
        main: the number of its main process.

    Raises:
        NotFreezable: a process cannot be held in a snapshot; the message names it.
    """
    processes = tuple(map(_named, kernel.processes.values()))
    return MemoryImage(kernel.fs.fork(), processes, main)


def _named(proc: "SandboxProcess") -> ProcessSnapshot:
    try:
        return _process(proc)
    except NotFreezable as error:
        raise NotFreezable(f"process {proc.pid}, {proc}: {error}") from error.__cause__


def _process(proc: "SandboxProcess") -> ProcessSnapshot:
    if not isinstance(proc.program, Snapshotable):
        raise NotFreezable(
            "the engine in memory takes snapshots of scripted commands and of sleep, but of no "
            "other program while it runs"
        )
    if not proc.fs.inode(proc.cwd).links:
        raise NotFreezable("its working directory was removed")
    return ProcessSnapshot(
        proc.pid,
        proc.group,
        proc.session,
        proc.argv,
        dict(proc.env),
        proc.cwd,
        proc.umask,
        frozenset(number for number, does in proc.handlers.items() if does is None),
        proc.program.copy(),
        proc.outside.spec if proc.outside else None,
        proc.outside.pending if proc.outside else b"",
        {fd: (id(each), _description(proc, each)) for fd, each in proc.fds.items()},
    )


def _description(proc: "SandboxProcess", description: Description) -> _Restore:
    ends = proc.outside.ends if proc.outside else ()
    for index, end in enumerate(ends):
        if end is description:
            return lambda fs, ends: ends[index].share()
    if isinstance(description, OpenedFile):
        return _file(description)
    if isinstance(description, Document):
        data = description.data
        return lambda fs, ends: Document(data)
    if isinstance(description, Logged):  # of a process that has ended
        return lambda fs, ends: Logged(_closed())
    raise NotFreezable("it has a pipe or a terminal that it shares with another process")


def _file(opened: OpenedFile) -> _Restore:
    handle, position = opened.handle, opened.position
    if not handle.inode.links:
        raise NotFreezable("it has a file open that was removed")

    def restore(fs: "Filesystem", ends: "tuple[Description, ...]") -> Description:
        fs.inode(handle.node)  # on a volume, it may have been removed since
        copy = OpenedFile(Handle(fs.mounts.of(handle.node), handle.number, handle.spot, flags))
        copy.position = position
        return copy

    flags = handle.flags & ~(os.O_CREAT | os.O_TRUNC)
    return restore


def restore_memory(image: MemoryImage, kernel: "Kernel") -> MemoryProcess | None:
    """Resume all processes in a new sandbox, which has the files already.

    Returns:
        The main process.

    Raises:
        OSError: `ENOENT`, what a process has open on a volume was removed since.
    """
    main = None
    shared: dict[int, Description] = {}
    for saved in image.processes:
        process = _outside(saved, kernel, saved.pid == image.main)
        ends: tuple[Description, ...] = process.ends if process else ()
        proc = process.proc if process else _inside(saved, kernel)
        fresh, proc.fds = proc.fds, {}
        for fd, (key, make) in saved.fds.items():
            shared[key] = shared[key].share() if key in shared else make(kernel.fs, ends)
            proc.fds[fd] = shared[key]
        for description in fresh.values():
            description.release()
        proc.group, proc.session, proc.umask = saved.group, saved.session, saved.umask
        proc.handlers = dict.fromkeys(saved.ignored)
        proc.start(saved.program.copy())
        main = process if saved.pid == image.main else main
    return main


def _outside(saved: ProcessSnapshot, kernel: "Kernel", main: bool) -> MemoryProcess | None:
    """A process with streams; those of any but the main process lead nowhere."""
    if saved.spec is None:
        return None
    spec = saved.spec
    if not main and spec.pty is None:
        spec = replace(spec, stdout=Output.DEVNULL, stderr=Output.DEVNULL)
    process = MemoryProcess(kernel, spec, saved.env, saved.cwd, pid=saved.pid)
    process.proc.argv = saved.argv
    process.restore_stdin(saved.pending)
    return process


def _inside(saved: ProcessSnapshot, kernel: "Kernel") -> "SandboxProcess":
    return kernel.new(
        parent=None, argv=saved.argv, env=saved.env, cwd=saved.cwd, fds={}, pid=saved.pid
    )


def _closed() -> OutputLog:
    log = OutputLog()
    log.close()
    return log
