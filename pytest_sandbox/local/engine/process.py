"""A process in a sandbox, as the engine sees it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import stat
import struct
import termios
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    ExitStatus,
    InvalidSpec,
    Output,
    OutputLog,
    Process,
    ProcessSpec,
    PtySize,
    SpawnFailed,
    StoreFull,
    TaskEnded,
)

from ..wire import close_all
from .stdin import Stdin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .links.agent_link import AgentLink
    from .pump import Pump

_TIOCGPTN = 0x80045430
_PTMX = os.makedev(5, 2)


class LocalProcess(Process):
    """Made by `start`; told by its task when it exited."""

    def __init__(self, link: AgentLink) -> None:
        self.stdout = OutputLog()
        self.stderr = OutputLog()
        self._link = link
        self.pid = 0
        self._name = 0
        self._stdin: Stdin | None = None
        self._pumps: list[Pump] = []
        self._master: int | None = None
        self._status: ExitStatus | None = None
        self._exited = asyncio.Event()

    async def start(
        self, spec: ProcessSpec, env: Mapping[str, str], workdir: str, main: bool
    ) -> None:
        """Start it.

        Raises:
            SpawnFailed: the command cannot be started.
            StoreFull: the engine has no descriptors left for it.
            TaskEnded: the task is over.
        """
        request = {
            "argv": list(spec.argv),
            "env": dict(env),
            "workdir": workdir,
            "main": main,
            "stdout": spec.stdout.value,
            "stderr": spec.stderr.value,
            "pty": None if spec.pty is None else [spec.pty.rows, spec.pty.columns],
        }
        try:
            passed = () if spec.pty else self._open_pipes(spec)
        except OSError as error:
            self.task_ended()
            raise StoreFull(f"no room for the pipes of a process: {error.strerror}") from error
        try:
            self._name, answer = self._link.exec(self, request, passed)
            value, fds = await answer
            self.pid = int(value["pid"])
            if spec.pty:
                self.attach_terminal(fds)
            else:
                close_all(fds)
        except OSError as error:
            self.task_ended()
            raise SpawnFailed(error.errno or 0, _sentence(spec, error)) from None
        except BaseException:
            self._link.abandon(self._name)
            self.task_ended()
            raise

    async def adopt(self, spec: ProcessSpec, pid: int) -> dict[str, int]:
        """Be the main process that is going to be restored with this pid.

        Returns:
            The other ends of its pipes, by stream.

        Raises:
            StoreFull, TaskEnded: as `start`.
        """
        self.pid = pid
        try:
            passed = () if spec.pty else self._open_pipes(spec)
        except OSError as error:
            self.task_ended()
            raise StoreFull(f"no room for the pipes of a process: {error.strerror}") from error
        try:
            self._name, answer = self._link.adopt(self, pid)
            await answer
        except BaseException:
            close_all(list(passed))
            self.task_ended()
            raise
        return dict(zip(_streams(spec), passed, strict=True))

    def attach_terminal(self, fds: list[int]) -> None:
        """Use the master of a terminal, if that is what was sent."""
        info = os.fstat(fds[0]) if len(fds) == 1 else None
        if info is None or not stat.S_ISCHR(info.st_mode) or info.st_rdev != _PTMX:
            close_all(fds)
            raise TaskEnded("the sandbox's agent did not keep to the protocol")
        self.stderr.close()
        self._master = os.dup(fds[0])
        self._stdin = Stdin(os.dup(fds[0]), terminal=True)
        self._pumps.append(self._link.pump(fds[0], self.stdout, terminal=True))
        if self._status is not None:
            self._wind_up()  # it was quicker than we

    @property
    def terminal(self) -> int | None:
        """The number of its terminal inside, if it has one that is open."""
        if self._master is None:
            return None
        return _number_of(self._master)

    def pipes(self, spec: ProcessSpec) -> dict[str, int]:
        """Inodes of its pipes that are open, by stream."""
        ends = [self._stdin, *self._pumps]
        found = zip(_streams(spec), (end.inode for end in ends if end is not None), strict=False)
        return {name: inode for name, inode in found if inode is not None}

    async def write_stdin(self, data: bytes) -> None:
        """Return when all of `data` is in the pipe."""
        assert self._stdin is not None
        await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """Let the process see the end of its input."""
        assert self._stdin is not None
        await self._stdin.close()

    def poll(self) -> ExitStatus | None:
        """How it ended, or `None` while it runs."""
        return self._status

    async def wait(self) -> ExitStatus:
        """Return when it ended."""
        await self._exited.wait()
        assert self._status is not None
        return self._status

    async def signal(self, number: int) -> None:
        """Send a signal to its session; does nothing once it ended."""
        if number not in signal.valid_signals():
            raise InvalidSpec(f"{number!r} is not a signal of this machine")
        if self._status is None:
            with contextlib.suppress(TaskEnded):  # it ended meanwhile
                await self._link.request("signal", process=self._name, number=number)

    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size."""
        if self._master is not None:
            packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, packed)

    def exited(self, status: ExitStatus) -> None:
        """The agent says that it ended."""
        if self._status is None:
            self._status = status
            self._exited.set()
            self._wind_up()

    def _wind_up(self) -> None:
        """It is gone: take no more input, and of its output what is in the pipe."""
        if self._stdin is not None:
            self._stdin.release()
        if self._master is not None:
            os.close(self._master)
            self._master = None
        for pump in self._pumps:
            pump.process_exited()

    def task_ended(self) -> None:
        """All of the sandbox is gone; so is this, whether the agent could say so or not."""
        self.exited(ExitStatus(signal=signal.SIGKILL))
        if not self._pumps:
            self.stdout.close()
            self.stderr.close()

    def _open_pipes(self, spec: ProcessSpec) -> tuple[int, ...]:
        passed: list[int] = []
        try:
            theirs, ours = _pipe()
            passed.append(theirs)
            self._stdin = Stdin(ours)
            for log, output in ((self.stdout, spec.stdout), (self.stderr, spec.stderr)):
                if output is not Output.PIPE:
                    log.close()
                    continue
                read, write = _pipe()
                self._pumps.append(self._link.pump(read, log))
                passed.append(write)
        except OSError:
            close_all(passed)  # we have as many descriptors as we may have
            raise
        return tuple(passed)


def _number_of(master: int) -> int:
    (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))
    return int(number)


def _streams(spec: ProcessSpec) -> list[str]:
    """Names of the streams that are pipes, in the order in which pipes are passed on."""
    outputs = (("stdout", spec.stdout), ("stderr", spec.stderr))
    if spec.pty:
        return []
    return ["stdin", *(name for name, output in outputs if output is Output.PIPE)]


def _pipe() -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    # Whoever a process becomes may open /dev/stdout again, which asks the inode.
    os.fchmod(read, 0o666)
    return read, write


def _sentence(spec: ProcessSpec, error: OSError) -> str:
    if spec.workdir is not None and error.filename == spec.workdir:
        return f"working directory {error.filename!r}: {error.strerror}"
    return f"cannot run {spec.argv[0]!r}: {error.strerror}"
