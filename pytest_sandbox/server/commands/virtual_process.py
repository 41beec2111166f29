"""A process that exists only in the server: a coroutine that looks like a program."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pytest_sandbox.engine import ExitStatus, Output, OutputLog, Process, PtySize

#: Bytes of standard input that may wait to be read.
_INPUT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Streams:
    """What a program reads and writes; each is bounded, so that a fast side waits for a slow one.

    Attributes:
        stdin: what was written to it, closed at the end of input.
        stdout: standard output.
        stderr: standard error, maybe the same.
    """

    stdin: OutputLog
    stdout: OutputLog
    stderr: OutputLog


class VirtualProcess(Process):
    """Runs a coroutine as a process.

    Args:
        program: gives the exit code.
        stdout: where standard output goes.
        stderr: where standard error goes.
    """

    def __init__(
        self,
        program: Callable[[Streams], Awaitable[int]],
        *,
        stdout: Output = Output.PIPE,
        stderr: Output = Output.PIPE,
    ) -> None:
        self.stdout = OutputLog()
        self.stderr = OutputLog()
        if stdout is Output.DEVNULL:
            self.stdout.close()
        if stderr is not Output.PIPE:
            self.stderr.close()
        self._stdin = OutputLog(_INPUT)
        self._status: ExitStatus | None = None
        self._exited = asyncio.Event()
        errors = self.stdout if stderr is Output.STDOUT else self.stderr
        streams = Streams(self._stdin, self.stdout, errors)
        self._work = asyncio.ensure_future(self._run(program(streams)))

    async def write_stdin(self, data: bytes) -> None:
        """Return when there is room for `data`."""
        await self._stdin.append(data)
        if self._status is not None:
            raise BrokenPipeError(errno.EPIPE, "the process has ended")

    async def close_stdin(self) -> None:
        """There is no more input."""
        self._stdin.close()

    def poll(self) -> ExitStatus | None:
        """How it ended."""
        return self._status

    async def wait(self) -> ExitStatus:
        """How it ended, when it has."""
        await self._exited.wait()
        assert self._status is not None
        return self._status

    async def signal(self, number: int) -> None:
        """Any signal ends it."""
        if self._status is None:
            self._end(ExitStatus(signal=number))
            self._work.cancel()

    async def resize(self, size: PtySize) -> None:
        """It never has a terminal."""

    def _end(self, status: ExitStatus) -> None:
        self._status = status
        self._stdin.dispose()  # nobody reads it again, and the process is kept for its output
        self.stdout.close()
        self.stderr.close()
        self._exited.set()

    async def _run(self, work: Awaitable[int]) -> None:
        code = await work
        if self._status is None:
            self._end(ExitStatus(code=code))
