"""A process as the engine contract has it."""

import errno
import os
import signal as signals
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    ExitStatus,
    InvalidSpec,
    Output,
    OutputLog,
    Process,
    ProcessSpec,
    PtySize,
)

from ..files.mounts import Node
from .description import Description, Logged, OpenedFile, OpenedTerminal
from .kernel import Kernel
from .pipe import Pipe
from .terminal import Terminal

if TYPE_CHECKING:
    from .process import SandboxProcess


class MemoryProcess(Process):
    """A process that was started from outside, with its streams.

    Args:
        kernel: where it runs.
        spec: what runs.
        env: its whole environment.
        cwd: its working directory.
        pid: its number; by default the next one.

    Attributes:
        spec: what runs.
        ends: the ends of its three streams that are its own.
    """

    def __init__(
        self,
        kernel: Kernel,
        spec: ProcessSpec,
        env: Mapping[str, str],
        cwd: Node,
        *,
        pid: int | None = None,
    ) -> None:
        self.spec = spec
        self.stdout = OutputLog()
        self.stderr = OutputLog()
        self._terminal: Terminal | None = None
        self._pipe = Pipe()
        fds = self._descriptors(kernel, spec)
        self.ends = (fds[0], fds[1], fds[2])
        try:
            self.proc: SandboxProcess = kernel.new(
                parent=None,
                argv=spec.argv,
                env=env,
                cwd=cwd,
                fds=fds,
                terminal=self._terminal,
                pid=pid,
            )
        finally:
            for description in fds.values():
                description.release()
        self.proc.outside = self
        self.proc.at_end.append(self._on_end)
        self._stdin: Description | None = None if self._terminal else self._pipe.writer()
        self._closed = False

    def _descriptors(self, kernel: Kernel, spec: ProcessSpec) -> dict[int, Description]:
        if spec.pty is not None:
            self.stderr.close()
            name = f"/dev/pts/{kernel.next_terminal()}"
            self._terminal = Terminal(name, self.stdout, spec.pty, self._signal_foreground)
            terminal = OpenedTerminal(self._terminal)
            return {0: terminal, 1: terminal.share(), 2: terminal.share()}
        nothing = os.O_RDWR
        out: Description = Logged(self.stdout)
        if spec.stdout is Output.DEVNULL:
            self.stdout.close()
            out = OpenedFile(kernel.fs.open("/dev/null", nothing))
        if spec.stderr is Output.STDOUT:
            self.stderr.close()
            error = out.share()
        elif spec.stderr is Output.DEVNULL:
            self.stderr.close()
            error = OpenedFile(kernel.fs.open("/dev/null", nothing))
        else:
            error = Logged(self.stderr)
        return {0: self._pipe.reader(), 1: out, 2: error}

    @property
    def pending(self) -> bytes:
        """What was sent to it and not read."""
        return self._terminal.pending if self._terminal else self._pipe.pending

    def restore_stdin(self, pending: bytes) -> None:
        """Give it input that a snapshot found sent and not read."""
        if self._terminal is not None:
            self._terminal.restore(pending)
        else:
            self._pipe.restore(pending)

    def _signal_foreground(self, number: int) -> None:
        self.proc.kernel.signal_group(self.proc.group, number)

    def _on_end(self) -> None:
        self._pipe.break_()
        self.stdout.close()
        self.stderr.close()

    async def write_stdin(self, data: bytes) -> None:
        """Return when all of `data` is in the pipe, or was typed on the terminal."""
        if self._closed or self.proc.status is not None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self._terminal is not None:
            await self._terminal.type(data)
        else:
            await self._pipe.write(data)

    async def close_stdin(self) -> None:
        """Let the process see the end of its input; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._terminal is not None:
            self._terminal.hang_up()
        elif self._stdin is not None:
            self._stdin.release()

    def poll(self) -> ExitStatus | None:
        """How it ended, or `None` while it runs."""
        return self.proc.status

    async def wait(self) -> ExitStatus:
        """Return when it ended."""
        return await self.proc.wait()

    async def signal(self, number: int) -> None:
        """Send a signal to the process and all its descendants in its session."""
        if number not in signals.valid_signals():
            raise InvalidSpec(f"{number!r} is not a signal")
        if self.proc.status is None:
            for proc in self.proc.kernel.session(self.proc):
                proc.kill(number)

    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size; does nothing without a terminal."""
        if self._terminal is not None and self.proc.status is None:
            self._terminal.resize(size)
