"""The processes of one task, and how programs are found and started."""

import asyncio
import errno
import os
import signal
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_sandbox.engine import DEFAULT_PATH, Clock, TaskSpec

from ..files.base_image import MAGIC
from ..files.inode import Regular
from ..files.mounts import Node
from ..files.vfs import Filesystem
from ..network.outward import OutwardNetwork
from .description import Description
from .kernel_usage import KernelUsage
from .ports import Acceptor, Ports
from .process import KernelHooks, KernelInterface, Program, SandboxProcess
from .snapshotable import Snapshotable
from .terminal import Terminal

if TYPE_CHECKING:
    from pytest_sandbox._shared.gpus.simulated import SimulatedGpu

_LONGEST_ARGUMENT = 128 * 1024  # MAX_ARG_STRLEN of execve(2), the final NUL included
_ALL_ARGUMENTS = 2 * 1024 * 1024  # a quarter of the usual limit of the stack
_INTERPRETERS = 5  # scripts whose interpreter is a script, at most: BINPRM_MAX_RECURSION
#: Seconds that the coroutine of a process that was killed may take to notice.
_TIMEOUT = 1.0
_LINE = 256  # bytes of a script that are searched for its interpreter

#: Bytes that the programs of a task may hold, unless its limits say otherwise.
_MEMORY = 1024**3


class Kernel(KernelInterface):
    """A filesystem, processes, ports, and a name.

    Args:
        fs: the files of the task.
        clock: the time of the engine.
        spec: what the task is.
        gpus: what it has of these.
        hooks: what the engine does for its kernels.
    """

    def __init__(
        self,
        fs: Filesystem,
        clock: Clock,
        spec: TaskSpec,
        gpus: "Sequence[SimulatedGpu]",
        hooks: KernelHooks,
    ) -> None:
        self.fs = fs
        self.clock = clock
        self.spec = spec
        self.gpus = gpus
        self.hooks = hooks
        self.processes: dict[int, SandboxProcess] = {}
        self.coroutines: dict[asyncio.Task[None], object] = {}
        me = weakref.ref(self)  # so that it is freed at once

        def scripted(port: int) -> Acceptor | None:
            kernel = me()
            return None if kernel is None else hooks.port(kernel, port)

        self.ports = Ports(scripted, hooks.problems.closed, self.coroutines)
        self.outward = OutwardNetwork(
            *(spec, clock, self.ports, hooks.outside(self), hooks.faults),
            hooks.members_of(spec),
            self.coroutines,
        )
        self.memory = spec.limits.memory or _MEMORY
        self.usage = KernelUsage()
        #: Those that share the limits of the first of them; none if it has them for itself.
        self.sharing: list[Kernel] = []
        self._terminals = 0
        self._next_pid = 2  # 1 is the agent, in a sandbox that has one

    def share_limits(self, other: "Kernel") -> None:
        """Count what it uses together with what another uses, before anything runs in it."""
        if not other.sharing:
            other.sharing.append(other)
        self.memory, self.usage, self.sharing = other.memory, other.usage, other.sharing
        self.sharing.append(self)

    # Starting.

    def new(
        self,
        *,
        parent: SandboxProcess | None,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Node,
        fds: Mapping[int, Description],
        terminal: Terminal | None = None,
        pid: int | None = None,
    ) -> SandboxProcess:
        """A process without a program; it owns a share of each descriptor.

        Args:
            parent: the process that starts it.
            argv: its command line.
            env: its environment.
            cwd: its working directory.
            fds: what its descriptors point to.
            terminal: the one of its session.
            pid: its number; by default the next one.

        Raises:
            OSError: `EAGAIN`, there are too many.
        """
        sharing = self.sharing or (self,)
        most = sharing[0].spec.limits.processes
        number = sum(len(kernel.processes) for kernel in sharing)
        if most is not None and number >= most:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        shared = {fd: description.share() for fd, description in fds.items()}
        proc = SandboxProcess(
            self,
            self._next_pid if pid is None else pid,
            parent=parent,
            argv=argv,
            env=env,
            cwd=cwd,
            fds=shared,
            terminal=terminal,
        )
        self._next_pid = max(self._next_pid, proc.pid) + 1
        self.processes[proc.pid] = proc
        self.usage.have_processes(number + 1)
        if parent is not None:
            parent.children.append(proc)
        return proc

    def fork(
        self, parent: SandboxProcess, program: Program, fds: Mapping[int, Description]
    ) -> SandboxProcess:
        """Start a copy of a process, with other descriptors, that runs `program`."""
        child = self.new(
            parent=parent,
            argv=parent.argv,
            env=parent.env,
            cwd=parent.cwd,
            fds=fds,
            terminal=parent.terminal,
        )
        child.start(program)
        return child

    def program(self, proc: SandboxProcess) -> Program:
        """The program that `proc.argv` means; scripts put their interpreter into `proc.argv`.

        Raises:
            OSError: as `execve(2)`; the filename is the command, or the interpreter.
        """
        check_size(proc.argv, proc.env)
        scripted = self.hooks.command(proc, proc.argv)
        if scripted is not None:
            return scripted.program()
        return self._load(proc, self.find(proc.argv[0], proc.env, proc.cwd), _INTERPRETERS)

    def find(self, command: str, env: Mapping[str, str], cwd: Node) -> str:
        """The path of a command, looked up in `PATH` if it has no slash.

        Raises:
            OSError: `ENOENT`; `EACCES`, there are only files that may not be executed.
        """
        if "/" in command:
            return command
        if not command:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), command)
        refused = errno.ENOENT
        for folder in env.get("PATH", DEFAULT_PATH).split(":"):
            path = os.path.join(folder or ".", command)
            number = self._executable(path, cwd)
            if number == 0:
                return path
            if number == errno.EACCES:
                refused = number
        raise OSError(refused, os.strerror(refused), command)

    def _executable(self, path: str, base: Node) -> int:
        """0 if a file can be executed, else why not."""
        try:
            inode = self.fs.lookup(path, base=base)
        except OSError as error:
            return error.errno or errno.ENOENT
        return 0 if isinstance(inode, Regular) and inode.mode & 0o111 else errno.EACCES

    def _load(self, proc: SandboxProcess, path: str, depth: int) -> Program:
        number = self._executable(path, proc.cwd)
        if number:
            raise OSError(number, os.strerror(number), path)
        inode = self.fs.lookup(path, base=proc.cwd)
        assert isinstance(inode, Regular)
        head = inode.content.read(0, _LINE)
        if head.startswith(MAGIC):
            name = head[len(MAGIC) :].partition(b"\n")[0].decode()
            program = self.hooks.programs[name]
            return program.copy() if isinstance(program, Snapshotable) else program
        words = _interpreter(head)
        if not words or depth == 0:
            number = errno.ELOOP if words else errno.ENOEXEC
            raise OSError(number, os.strerror(number), path)
        proc.argv = (*words, path, *proc.argv[1:])
        return self._load(proc, words[0], depth - 1)

    # Signals and ends.

    def session(self, leader: SandboxProcess) -> list[SandboxProcess]:
        """A process that leads a session, and all that belong to it."""
        return [proc for proc in self.processes.values() if proc.session == leader.session]

    def next_terminal(self) -> int:
        """A number for a terminal, each time another."""
        self._terminals += 1
        return self._terminals - 1

    def signal_group(self, group: int, number: int) -> None:
        """Deliver a signal to every process of a group; `killpg(3)`."""
        for proc in list(self.processes.values()):
            if proc.group == group:
                proc.kill(number)

    def kill_all(self) -> None:
        """End every process, and every connection."""
        self.ports.close_all()
        self.outward.close_all()
        for proc in list(self.processes.values()):
            proc.kill(signal.SIGKILL)

    async def drain(self) -> None:
        """Wait until the coroutines of ended processes have returned, at most a second.

        A handler of the test that catches its cancellation is reported and left running.
        """
        own = asyncio.current_task()
        left = {task for task in self.coroutines if task is not own}
        if left:
            _, left = await asyncio.wait(left, timeout=_TIMEOUT)
        for task in left:
            self.hooks.problems.stuck(self.coroutines.pop(task))

    def ended(self, proc: SandboxProcess) -> None:
        """A process has ended; called by the process."""
        del self.processes[proc.pid]
        if proc.pid == proc.session and proc.terminal is not None:
            for other in list(self.processes.values()):
                if other.session == proc.session:
                    other.kill(signal.SIGHUP)
        if proc.parent is not None:
            proc.parent.kill(signal.SIGCHLD)

    async def crashed(self, proc: SandboxProcess, error: Exception) -> int:
        """Report that a program raised; returns the exit code of its process."""
        self.hooks.problems.crashed(proc, error)
        await proc.complain(f"{proc.argv[0]}: {type(error).__name__}: {error}")
        return 70


def check_size(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Refuse what execve(2) would not take.

    Raises:
        OSError: `E2BIG`.
    """
    strings = [os.fsencode(word) for word in argv]
    strings += [os.fsencode(f"{name}={value}") for name, value in env.items()]
    total = sum(len(string) + 1 + 8 for string in strings)
    if total > _ALL_ARGUMENTS or max(map(len, strings)) + 1 > _LONGEST_ARGUMENT:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), argv[0])


def _interpreter(head: bytes) -> tuple[str, ...]:
    """The words after `#!`: the interpreter, and at most one argument."""
    if not head.startswith(b"#!"):
        return ()
    line = head[2:].partition(b"\n")[0].strip()
    return tuple(os.fsdecode(word) for word in line.split(None, 1))
