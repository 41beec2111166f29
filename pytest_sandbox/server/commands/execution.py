"""A process of a sandbox as the server sees it: the main process, or a command."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import Clock, ExitStatus, OutputLog, Process, TaskEnded

from ..async_helpers import start
from .stdin import StdinWriter

#: Seconds without output after the end of a process, after which its output counts as complete: a
#: daemon that it left behind may hold the pipe open for ever.
DRAIN_GRACE = 2.0

TIMEOUT = "timeout"
TERMINATED = "terminated"
RESTORED = "restored"
GIVEN_UP = "its caller, which gave up"
LOST = "the loss of its machine"


class CommandExecution:
    """One process with its input, output and end.

    Args:
        exec_id: chosen by the client or by the server.
        argv: the command.
        process: the engine's.
        clock: the engine's.
        number: its place in the order of starts.
        timeout: seconds after which it is killed; `None` for never.
        input_timeout: seconds without input after which it is killed; `None` for never.
        on_exit: called when it has ended.
        on_drained: called with it when its output is complete too.

    Attributes:
        asked: whether a client has asked for its state: polled it, or waited for its end.
        claims: how many calls have named it.
        told: whether a client knows that it ended: has its exit code, or all of its output.
    """

    def __init__(
        self,
        exec_id: str,
        argv: tuple[str, ...],
        process: Process,
        clock: Clock,
        *,
        number: int,
        timeout: float | None = None,
        input_timeout: float | None = None,
        on_exit: Callable[[], None] = lambda: None,
        on_drained: Callable[["CommandExecution"], None] = lambda _: None,
    ) -> None:
        self.id = exec_id
        self.argv = argv
        self.number = number
        self.process = process
        self.stdin = StdinWriter(process, clock)
        self.started = clock.monotonic()
        self.ended: float | None = None
        self.ended_by = ""
        self.asked = False
        self.claims = 0
        self.told = False
        #: Called when it has ended.
        self.at_end: list[Callable[[], None]] = []
        self._clock = clock
        self._timeout = timeout
        self._on_exit = on_exit
        self._on_drained = on_drained
        self._watcher: asyncio.Future[Any] | None = start(self._watch())
        if input_timeout is not None:
            self._attendant = start(self._attend(input_timeout))

    @property
    def logs(self) -> tuple[OutputLog, OutputLog]:
        """Standard output and standard error."""
        return self.process.stdout, self.process.stderr

    def output_bytes(self) -> int:
        """Bytes of output that are stored."""
        return sum(log.end - log.first for log in self.logs)

    def status(self) -> ExitStatus | None:
        """How it ended, for a client that asks; `None` while it runs."""
        self.asked = True
        status = self.process.poll()
        self.told = self.told or status is not None
        return status

    def exit_status(self) -> ExitStatus | None:
        """The same, for a client that asks for nothing else.

        Raises:
            TaskLost: nobody knows how it ended.
        """
        status = self.status()
        if self.process.lost is not None:
            raise to_raise(self.process.lost)
        return status

    async def wait(self, seconds: float) -> ExitStatus | None:
        """How it ended; `None` if it still runs after `seconds`."""
        status = self.process.poll()
        if status is None and seconds > 0:
            with suppress(asyncio.TimeoutError):
                await within(self._clock, seconds, self.process.wait())
            status = self.process.poll()
        return status

    def unnoticed(self, *, over: bool) -> str:
        """What no client has asked for: that it runs, or has failed; empty if there is nothing.

        Args:
            over: whether its sandbox has ended, which kills what still runs.
        """
        status = self.process.poll()
        if status is None:
            return "" if self.asked else "still runs"
        killed = over and status.signal == signal.SIGKILL
        ended = self.ended_by in (TERMINATED, RESTORED, GIVEN_UP, LOST)
        if self.told or status.returncode == 0 or killed or ended:
            return ""
        return f"ended with exit code {status.returncode}"

    def expect_end(self, reason: str) -> None:
        """Note why the process is about to be killed: its sandbox is ended or restored."""
        if self.process.poll() is None:
            self.ended_by = self.ended_by or reason

    async def kill(self) -> None:
        """Kill it: its caller has given up, and asks for nothing more."""
        self.asked = True
        self.expect_end(GIVEN_UP)
        await self._kill()

    def task_ended(self) -> None:
        """Kill a process that exists only in the server; the engine has killed all others."""
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
            self.ended_by = ""  # it ended by itself before it was killed
        elif self.process.lost is not None:
            self.ended_by = self.ended_by or LOST
        self.ended = self._clock.monotonic()
        self._on_exit()
        self._on_exit = _nothing
        for tell in self.at_end:
            tell()
        for log in self.logs:
            await self._drain(log)
        self._on_drained(self)
        self._on_drained = _nothing  # it refers to who refers to this
        self._watcher = None

    async def _attend(self, seconds: float) -> None:
        """Kill it when no input has come for so long: the client at its terminal is gone."""
        left = seconds
        while await self.wait(left) is None:
            left = self.stdin.last_message + seconds - self._clock.monotonic()
            if left <= 0:
                await self.kill()
                return

    def discard(self) -> None:
        """Release the stored output: nobody can ask for it any more."""
        if self._watcher is not None:
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


def _nothing(*_: object) -> None:
    pass
