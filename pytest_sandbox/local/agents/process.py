"""A process in a sandbox, as the engine sees it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, Literal, TypeAlias

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

from ..kernel import terminals
from ..protocol import foreign
from ..protocol.agent import (
    AdoptRequest,
    SignalRequest,
    SpawnAnswer,
    SpawnRequest,
    TerminalSize,
    UserIds,
)
from ..protocol.common import Succeeded
from ..protocol.wire import close_all
from .errors import task_ended
from .pending_answers import ignore, wait_for
from .process_pipes import is_terminal_master, pipe, streams
from .stdin_pump import StdinPump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .agent_link import AgentLink
    from .pump import Pump

    #: Our end of a pipe, and where what comes through it goes.
    _PipedOutput: TypeAlias = tuple[int, OutputLog]

_OUTPUTS: dict[Output, Literal["pipe", "devnull", "stdout"]] = {
    Output.PIPE: "pipe",
    Output.DEVNULL: "devnull",
    Output.STDOUT: "stdout",
}


class LocalProcess(Process):
    """Made by `start`; told by its task when it exited."""

    def __init__(self, link: AgentLink) -> None:
        self.stdout = OutputLog()
        self.stderr = OutputLog()
        self._link = link
        self.pid = 0
        self._number = 0
        self._stdin: StdinPump | None = None
        self._pumps: list[Pump] = []  # until the process ends
        self._pumped = False
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
            TaskEnded: the task has ended.
        """
        try:
            passed, outputs = ((), []) if spec.pty else self._open_pipes(spec)
        except OSError as error:
            self.task_ended()
            raise _no_room(error) from error
        self._number = self._link.register(self)
        request = _request(spec, env, workdir, main=main, number=self._number)
        asked = self._link.ask(request, SpawnAnswer, passed)
        try:
            self._pump(outputs)  # only now: the agent starts the process meanwhile
        except OSError as error:
            ignore(asked)
            self._give_up()
            raise _no_room(error) from error
        try:
            answer, fds = await wait_for(asked)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._give_up()  # it may run, if it is we who had no room for its terminal
                raise _no_room(error) from error
            self._link.unregister(self._number)
            self.task_ended()
            raise SpawnFailed(error.errno or 0, _sentence(spec, error)) from None
        except BaseException:
            self._give_up()
            raise
        self.pid = answer.pid
        if spec.pty:
            self._start_terminal(fds)
        else:
            foreign.close(fds)

    def _start_terminal(self, fds: list[int]) -> None:
        try:
            self.attach_terminal(fds)
        except OSError as error:
            self._give_up()
            raise _no_room(error) from error
        except TaskEnded:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Have it killed: it may run, but its caller will not hear of that."""
        self._link.abandon(self._number)
        self.task_ended()
        self._wind_up()  # once more: if it had ended before, a terminal was opened since

    async def adopt(self, spec: ProcessSpec, pid: int) -> dict[str, int]:
        """Be the main process that is going to be restored with this pid.

        Returns:
            The other ends of its pipes, by stream.

        Raises:
            StoreFull, TaskEnded: as `start`.
        """
        self.pid = pid
        try:
            passed, outputs = ((), []) if spec.pty else self._open_pipes(spec)
        except OSError as error:
            self.task_ended()
            raise _no_room(error) from error
        try:
            self._pump(outputs)
        except OSError as error:
            close_all(list(passed))
            self.task_ended()
            raise _no_room(error) from error
        self._number = self._link.register(self)
        try:
            await self._link.request(AdoptRequest(process=self._number, pid=pid), Succeeded)
        except BaseException:
            close_all(list(passed))
            self.task_ended()
            raise
        return dict(zip(streams(spec), passed, strict=True))

    def attach_terminal(self, fds: list[int]) -> None:
        """Use the master of a terminal, if that is what was sent."""
        try:
            is_terminal = len(fds) == 1 and is_terminal_master(fds[0])
        except OSError:
            foreign.close(fds)
            raise
        if not is_terminal:
            foreign.close(fds)
            raise task_ended("its agent broke the protocol: it did not send the terminal")
        # A terminal is one stream, of output and errors: pty(7).
        self.stderr.close()
        # Each part of us owns a descriptor of its own, and closes it when it is done.
        self._pumps.append(self._link.pump(fds[0], self.stdout, terminal=True))
        self._pumped = True
        self._stdin = StdinPump(os.dup(fds[0]), terminal=True)
        self._master = os.dup(fds[0])
        if self._status is not None:
            self._wind_up()  # it was quicker than we

    @property
    def terminal(self) -> int | None:
        """The number of its terminal inside, if it has one that is open."""
        if self._master is None:
            return None
        return terminals.number_of(self._master)

    def pipes(self, spec: ProcessSpec) -> dict[str, int]:
        """Inodes of its pipes that are open, by stream."""
        ends = [self._stdin, *self._pumps]
        found = zip(streams(spec), (end.inode for end in ends if end is not None), strict=False)
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
            # Not every end is known here at once, so a signal to what is gone is no error.
            with contextlib.suppress(TaskEnded):  # it ended meanwhile
                await self._link.request(
                    SignalRequest(process=self._number, number=number), Succeeded
                )

    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size."""
        if self._master is not None:
            terminals.set_size(self._master, size.rows, size.columns)

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
        pumps, self._pumps = self._pumps, []
        for pump in pumps:
            pump.process_exited()

    def task_ended(self) -> None:
        """All of the sandbox is gone; so is this, whether the agent could say so or not."""
        self.exited(ExitStatus(signal=signal.SIGKILL))
        if not self._pumped:
            self.stdout.close()
            self.stderr.close()

    def _open_pipes(self, spec: ProcessSpec) -> tuple[tuple[int, ...], list[_PipedOutput]]:
        """The ends of the process, and ours of its output."""
        passed: list[int] = []
        outputs: list[_PipedOutput] = []
        try:
            theirs, ours = pipe()
            passed.append(theirs)
            self._stdin = StdinPump(ours)
            for log, output in ((self.stdout, spec.stdout), (self.stderr, spec.stderr)):
                if output is not Output.PIPE:
                    log.close()
                    continue
                read, write = pipe()
                passed.append(write)
                outputs.append((read, log))
        except OSError:  # we have as many descriptors as we may have
            close_all([*passed, *(read for read, _ in outputs)])
            raise
        return tuple(passed), outputs

    def _pump(self, outputs: list[_PipedOutput]) -> None:
        left = iter(outputs)
        try:
            for read, log in left:
                self._pumps.append(self._link.pump(read, log))
                self._pumped = True
        except OSError:
            close_all([read for read, _ in left])
            raise


def _request(
    spec: ProcessSpec, env: Mapping[str, str], workdir: str, *, main: bool, number: int
) -> SpawnRequest:
    terminal, user = None, spec.user
    if spec.pty is not None:
        terminal = TerminalSize(rows=spec.pty.rows, columns=spec.pty.columns)
    return SpawnRequest(
        process=number,
        argv=list(spec.argv),
        env=dict(env),
        workdir=workdir,
        main=main,
        stdout=_OUTPUTS[spec.stdout],
        stderr=_OUTPUTS[spec.stderr],
        terminal=terminal,
        user=None if user is None else UserIds(uid=user.uid, gid=user.gid, groups=[*user.groups]),
    )


def _no_room(error: OSError) -> StoreFull:
    return StoreFull(f"no room for another process: {error.strerror}")


def _sentence(spec: ProcessSpec, error: OSError) -> str:
    if spec.workdir is not None and error.filename == spec.workdir:
        return f"working directory {error.filename!r}: {error.strerror}"
    return f"cannot run {spec.argv[0]!r}: {error.strerror}"
