"""A process of a sandbox, as the server sees it: main process or exec, by whichever way."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import Clock, ExitStatus, OutputLog, Process, TaskEnded

from ..async_helpers import start
from .stdin import StdinWriter

#: Seconds without output after the end of a process until its output counts as complete. A
#: daemon that it left behind may hold the pipe open for ever.
DRAIN_GRACE = 2.0

TIMEOUT = "timeout"
TERMINATED = "terminated"
RESTORED = "restored"


class CommandExecution:
    """One process: its input, its output, its end.

    Args:
        exec_id: chosen by the client or by us.
        argv: the command.
        process: what the engine started.
        clock: the engine's.
        timeout: seconds until it is killed; `None` for never.
        on_exit: called when it ended.
        on_drained: called with it when nothing more comes out of it either.

    Attributes:
        asked: whether somebody waited for its end, or was told of it.
    """

    def __init__(
        self,
        exec_id: str,
        argv: tuple[str, ...],
        process: Process,
        clock: Clock,
        *,
        timeout: float | None = None,
        on_exit: Callable[[], None] = lambda: None,
        on_drained: Callable[["CommandExecution"], None] = lambda _: None,
    ) -> None:
        self.id = exec_id
        self.argv = argv
        self.process = process
        self.stdin = StdinWriter(process, clock)
        self.started = clock.monotonic()
        self.ended: float | None = None
        self.ended_by = ""
        self.asked = False
        self._clock = clock
        self._timeout = timeout
        self._on_exit = on_exit
        self._on_drained = on_drained
        self._watcher = start(self._watch())

    @property
    def logs(self) -> tuple[OutputLog, OutputLog]:
        """Standard output and standard error."""
        return self.process.stdout, self.process.stderr

    def output_bytes(self) -> int:
        """Bytes of output that are held."""
        return sum(log.end - log.first for log in self.logs)

    async def wait(self, seconds: float) -> ExitStatus | None:
        """How it ended; `None` if it still runs after `seconds`."""
        status = self.process.poll()
        if status is None and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self._clock, seconds, self.process.wait())
            status = self.process.poll()
        return status

    def expect_end(self, reason: str) -> None:
        """The sandbox is about to be ended or restored, and this with it."""
        if self.process.poll() is None:
            self.ended_by = self.ended_by or reason

    def task_ended(self) -> None:
        """The task is over: the engine killed its processes; one of the server's own dies too."""
        if self.process.poll() is None:
            self._killer = start(self._kill())

    async def _watch(self) -> None:
        if self._timeout is not None:
            try:
                await within(self._clock, self._timeout, self.process.wait())
            except asyncio.TimeoutError:
                self.ended_by = TIMEOUT
                await self._kill()
        status = await self.process.wait()
        if status.signal != signal.SIGKILL:
            self.ended_by = ""  # it was faster
        self.ended = self._clock.monotonic()
        self._on_exit()
        for log in self.logs:
            await self._drain(log)
        self._on_drained(self)

    def discard(self) -> None:
        """Let go of what it holds: nobody can ask for it any more."""
        self._watcher.cancel()
        for log in self.logs:
            log.dispose()

    async def _kill(self) -> None:
        with suppress(TaskEnded):
            await self.process.signal(signal.SIGKILL)

    async def _drain(self, log: OutputLog) -> None:
        while not log.closed:
            end = log.end
            await self._clock.sleep(DRAIN_GRACE)
            if log.end == end and not log.full:
                log.close()
