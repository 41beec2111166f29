"""A process in memory: a coroutine with descriptors, a folder, signals and an end."""

import asyncio
import errno
import os
import shlex
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.network.faults import FaultTable
from pytest_sandbox.engine import Clock, ExitStatus, TaskSpec

from ..condition import Condition
from ..files.inode import Device
from ..files.vfs import Filesystem
from .description import Description, OpenedFile, OpenedTerminal
from .kernel_usage import KernelUsage
from .pipe import Pipe
from .ports import Acceptor, Ports
from .terminal import Terminal

if TYPE_CHECKING:
    from pytest_sandbox._shared.gpus.simulated import SimulatedGpu
    from pytest_sandbox._shared.network.members import Members

    from ..files.handle import Handle
    from ..files.mounts import Node
    from ..network.outside import Outside
    from ..network.outward import OutwardNetwork
    from ..problems import Problems
    from .outside_streams import OutsideStreams

#: What runs in a process; its result is the exit code.
Program = Callable[["SandboxProcess"], Awaitable[int]]

_IGNORED_BY_DEFAULT = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
_STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
#: System calls after which a process lets others run, so that a busy one does not starve them.
_TURN = 32


class Ended(BaseException):
    """Unwinds the coroutine of a process that has ended; not to be caught."""


class Exit(BaseException):
    """Unwinds the coroutine of a process that ends with a code; `exit(3)`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code & 255


class ScriptedCommand(Protocol):
    """What a test has said of a command."""

    def program(self) -> Program:
        """What to run; raises the error if it cannot be started."""


@dataclass(frozen=True)
class KernelHooks:
    """What a kernel asks of its engine.

    Attributes:
        programs: built-in programs by name.
        command: a script of the test for a command line; asked first for every command.
        port: what a script of the test does with a connection; asked first for every one.
        problems: where a kernel reports what goes wrong.
        outside: what lies outside of the sandbox.
        faults: planned for connections to there.
        members_of: those of the network of sandboxes that a task is in, if any.
    """

    programs: Mapping[str, Program]
    command: "Callable[[SandboxProcess, Sequence[str]], ScriptedCommand | None]"
    port: "Callable[[KernelInterface, int], Acceptor | None]"
    problems: "Problems"
    outside: "Callable[[KernelInterface], Outside]"
    faults: FaultTable
    members_of: "Callable[[TaskSpec], Members[Ports] | None]"


class KernelInterface(ABC):
    """What a process sees of its kernel, which is `Kernel`.

    Attributes:
        fs: the files of the task.
        clock: the time of the engine.
        spec: what the task is.
        gpus: those of the task.
        hooks: what the engine does for its kernels.
        processes: those that live, by number.
        coroutines: those that run, each with the process or a name of what it is for.
        ports: what listens, and connections.
        outward: the way out.
        memory: bytes that all processes together may hold.
        usage: what they use.
    """

    fs: Filesystem
    clock: Clock
    spec: TaskSpec
    gpus: "Sequence[SimulatedGpu]"
    hooks: KernelHooks
    processes: "dict[int, SandboxProcess]"
    coroutines: dict[asyncio.Task[None], object]
    ports: Ports
    outward: "OutwardNetwork"
    memory: int
    usage: KernelUsage

    @abstractmethod
    def fork(
        self, parent: "SandboxProcess", program: Program, fds: Mapping[int, Description]
    ) -> "SandboxProcess":
        """Start a copy of a process, with other descriptors, that runs `program`."""

    @abstractmethod
    def program(self, proc: "SandboxProcess") -> Program:
        """The program that `proc.argv` means; scripts put their interpreter into `proc.argv`.

        Raises:
            OSError: as `execve(2)`; the filename is the command, or the interpreter.
        """

    @abstractmethod
    def find(self, command: str, env: Mapping[str, str], cwd: "Node") -> str:
        """The path of a command, looked up in `PATH` if it has no slash.

        Raises:
            OSError: `ENOENT`; `EACCES`, there are only files that may not be executed.
        """

    @abstractmethod
    def session(self, leader: "SandboxProcess") -> "list[SandboxProcess]":
        """A process that leads a session, and all that belong to it."""

    @abstractmethod
    def signal_group(self, group: int, number: int) -> None:
        """Deliver a signal to every process of a group; `killpg(3)`."""

    @abstractmethod
    def ended(self, proc: "SandboxProcess") -> None:
        """A process has ended; called by the process."""

    @abstractmethod
    async def crashed(self, proc: "SandboxProcess", error: Exception) -> int:
        """A program raised; returns the exit code of its process."""


class SandboxProcess:
    """One process.

    Attributes:
        pid: its number.
        group: number of its process group.
        session: number of its session.
        argv: the command and its arguments.
        env: its environment.
        fds: descriptor number to what it points to.
        umask: permission bits that new files do not get.
        terminal: the controlling terminal of its session.
        status: how it ended, or `None` while it runs.
        handlers: signal number to what it does; `None` ignores the signal.
        children: living processes that it started.
        at_end: called once it has ended.
        program: what it runs.
        outside: its streams, if the engine started it and not another process.
        out_of_memory: whether it was killed because the task held too much.
    """

    def __init__(
        self,
        kernel: KernelInterface,
        pid: int,
        *,
        parent: "SandboxProcess | None",
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: "Node",
        fds: Mapping[int, Description],
        terminal: Terminal | None,
    ) -> None:
        self.kernel = kernel
        self.pid = pid
        self.parent = parent
        self.group: int = parent.group if parent else pid
        self.session: int = parent.session if parent else pid
        self.argv = tuple(argv)
        self.env = dict(env)
        self.umask: int = parent.umask if parent else 0o022
        self.terminal = terminal
        self.status: ExitStatus | None = None
        self.handlers: dict[int, Callable[[int], None] | None] = {}
        if parent:
            self.handlers = {n: None for n, does in parent.handlers.items() if does is None}
        self.children: list[SandboxProcess] = []
        self.at_end: list[Callable[[], None]] = []
        self.out_of_memory = False
        self.program: Program | None = None
        self.outside: OutsideStreams | None = None
        self._held = 0
        self.fds = dict(fds)
        self._cwd: Handle = kernel.fs.hold(cwd)
        self._ended = asyncio.Event()
        self._stopped = False
        self._continued = Condition()
        self._calls = 0
        self._task: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return shown(self.argv)

    # What a program calls.

    @property
    def fs(self) -> Filesystem:
        """The filesystem; relative paths start from `cwd`."""
        return self.kernel.fs

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.kernel.clock

    @property
    def cwd(self) -> "Node":
        """The working directory."""
        return self._cwd.node

    def chdir(self, path: str) -> None:
        """Change the working directory; `chdir(2)`."""
        folder = self.fs.folder(path, base=self.cwd)
        previous, self._cwd = self._cwd, self.fs.hold(folder)
        previous.close()

    def open(self, path: str, flags: int, mode: int = 0o666) -> Description:
        """Open a file for a descriptor; `/dev/tty` is the terminal of the process."""
        self.check()
        handle = self.fs.open(path, flags, mode & ~self.umask, base=self.cwd)
        inode = handle.inode
        if isinstance(inode, Device) and inode.device == "tty":
            handle.close()
            return self._open_terminal(path)
        return OpenedFile(handle)

    def _open_terminal(self, path: str) -> Description:
        if self.terminal is None:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), path)
        return OpenedTerminal(self.terminal)

    async def read(self, fd: int, size: int) -> bytes:
        """Read from a descriptor; `read(2)`."""
        await self._turn()
        return await self.descriptor(fd).read(size)

    async def write(self, fd: int, data: bytes) -> None:
        """Write all of it to a descriptor; a broken pipe ends the process unless it ignores it.

        Raises:
            OSError: as `write(2)`.
        """
        await self._turn()
        try:
            await self.descriptor(fd).write(data)
        except BrokenPipeError:
            self.kill(signal.SIGPIPE)
            self.check()
            raise
        self.kernel.usage.written += len(data)

    async def say(self, text: str) -> None:
        """Write text to standard output."""
        await self.write(1, os.fsencode(text))

    async def complain(self, text: str) -> None:
        """Write a line to standard error, if there is one."""
        if 2 in self.fds:
            await self.write(2, os.fsencode(text) + b"\n")

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the engine."""
        self.check()
        await self.clock.sleep(seconds)
        await self._turn()

    async def wait(self) -> ExitStatus:
        """Return when this process has ended."""
        await self._ended.wait()
        assert self.status is not None
        return self.status

    def descriptor(self, fd: int) -> Description:
        """What a descriptor points to.

        Raises:
            OSError: `EBADF`, it is not open.
        """
        found = self.fds.get(fd)
        if found is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return found

    def pipe(self) -> tuple[Description, Description]:
        """A fresh pipe: the end to read from, and the end to write to."""
        pipe = Pipe()
        return pipe.reader(), pipe.writer()

    def listen(self, port: int, accept: Acceptor) -> int:
        """Open a port until this process ends; returns it.

        Args:
            port: which; 0 for any that is free.
            accept: what serves each connection.

        Raises:
            InvalidSpec: it is no port.
            OSError: `EADDRINUSE`, it is open already.
        """
        opened = self.kernel.ports.listen(port, accept)
        self.at_end.append(lambda: self.kernel.ports.close(opened))
        return opened

    def hold(self, size: int) -> None:
        """Count bytes that a program holds in memory, or with a negative number releases.

        A process that exceeds the memory limit of its task is killed, as the kernel does.
        """
        self._held += size
        self.kernel.usage.hold(size)
        if self.kernel.usage.held > self.kernel.memory:
            self.out_of_memory = True
            self.kernel.usage.oom_kills += 1
            self.kill(signal.SIGKILL)
            self.check()

    def check(self) -> None:
        """Unwind if the process has ended; every system call of a real one would."""
        if self.status is not None:
            raise Ended

    async def _turn(self) -> None:
        self.check()
        self._calls += 1
        if self._calls % _TURN == 0:
            await asyncio.sleep(0)
        while self._stopped:
            await self._continued.wait()
        self.check()

    # What happens to a process.

    def start(self, program: Program) -> None:
        """Run `program` from the next turn of the event loop."""
        self.program = program
        coroutines = self.kernel.coroutines
        self._task = asyncio.get_running_loop().create_task(self._run(program))
        coroutines[self._task] = self
        self._task.add_done_callback(lambda task: coroutines.pop(task, None))

    def kill(self, number: int) -> None:
        """Deliver a signal; `kill(2)`. A process that has ended does not notice."""
        if self.status is not None or number == 0:
            return
        if number == signal.SIGCONT or number == signal.SIGKILL:
            self._stopped = False
            self._continued.notify_all()
        if number != signal.SIGKILL and number != signal.SIGSTOP and number in self.handlers:
            handler = self.handlers[number]
            if handler is not None:
                handler(number)
        elif number in _STOPPING:
            self._stopped = True
        elif number not in _IGNORED_BY_DEFAULT:
            self.end(ExitStatus(signal=int(number)))

    def end(self, status: ExitStatus) -> None:
        """End now: close descriptors, orphan children, and wake what waits for the end."""
        if self.status is not None:
            return
        self.status = status
        for description in self.fds.values():
            description.release()
        self.fds.clear()
        self._cwd.close()
        self.kernel.usage.hold(-self._held)
        for child in self.children:
            child.parent = None
        if self.parent is not None:
            self.parent.children.remove(self)
        self.kernel.ended(self)
        self._ended.set()
        for call in self.at_end:
            call()
        self.at_end.clear()  # which refers back, as does what sees it from outside
        self.outside = None
        task = self._task
        if task is not None and task is not _current_task():
            task.cancel()

    def abandon(self) -> None:
        """End a process that could not be started."""
        self.end(ExitStatus(code=127))

    async def _run(self, program: Program) -> None:
        code = 255
        try:
            code = await program(self)
        except Ended:
            return
        except Exit as exit_:
            code = exit_.code
        except asyncio.CancelledError:
            if self.status is not None:
                return
            code = 128 + signal.SIGKILL
            raise
        except OSError as error:
            code = await self._report(error)
        except Exception as error:  # a program of the test's own
            code = await self.kernel.crashed(self, error)
        finally:
            self.end(ExitStatus(code=code & 255))

    async def _report(self, error: OSError) -> int:
        name = self.argv[0].rpartition("/")[2] if self.argv else "?"
        where = f"{error.filename}: " if error.filename is not None else ""
        with suppress(OSError, Ended):
            await self.complain(f"{name}: {where}{error.strerror}")
        return 1


def shown(argv: Sequence[str]) -> str:
    """A command line as one would type it, cut if it is long."""
    text = shlex.join(argv)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def _current_task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
