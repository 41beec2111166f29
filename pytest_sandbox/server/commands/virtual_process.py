"""A process that exists only in the server: a coroutine in the place of a program."""

import asyncio
import errno
from collections.abc import Awaitable, Callable

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import ExitStatus, Output, OutputLog, Process, PtySize

#: The most bytes of standard input that wait to be read.
_INPUT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Streams:
    """The streams of a program; each is bounded, so a fast writer waits for a slow reader.

    Attributes:
        stdin: standard input; closed at its end.
        stdout: standard output.
        stderr: standard error; the same as `stdout` if it was merged.
    """

    stdin: OutputLog
    stdout: OutputLog
    stderr: OutputLog


class VirtualProcess(Process):
    """Runs a coroutine as a process.

    Args:
        program: given the streams, returns the exit code.
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
        """End standard input."""
        self._stdin.close()

    def poll(self) -> ExitStatus | None:
        """How it ended; `None` while it runs."""
        return self._status

    async def wait(self) -> ExitStatus:
        """How it ended, once it has."""
        await self._exited.wait()
        assert self._status is not None
        return self._status

    async def signal(self, number: int) -> None:
        """End it: any signal does."""
        if self._status is None:
            self._end(ExitStatus(signal=number))
            self._work.cancel()

    async def resize(self, size: PtySize) -> None:
        """Do nothing: it never has a terminal."""

    def _end(self, status: ExitStatus) -> None:
        self._status = status
        self._stdin.dispose()  # not read any more, while the output still is
        self.stdout.close()
        self.stderr.close()
        self._exited.set()

    async def _run(self, work: Awaitable[int]) -> None:
        code = await work
        if self._status is None:
            self._end(ExitStatus(code=code))
