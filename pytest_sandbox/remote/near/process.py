"""A process in a sandbox on another machine."""

from __future__ import annotations

import asyncio
import errno
import signal
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import EngineError, ExitStatus, OutputLog, Process, TaskLost

from ..wire.malformed import Malformed
from ..wire.processes import size_to_wire, status_from_wire
from ..wire.texts import message_from_wire
from .input import NearInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytest_sandbox.engine import PtySize

    from .long_call import LongCall

#: The largest log that a far side may want to be held here: bytes, mostly in a file.
_LARGEST_LOG = 1 << 30
#: Readers have to have had so many bytes more before the far side hears of it, or so much of a log.
_STEP, _STEP_PART = 1 << 20, 8


class RemoteProcess(Process):
    """Told of by the reports of its call.

    Args:
        call: of `Exec`, or of `Create` for a main process.
        started: what the far side said when it had started.

    Raises:
        Malformed: the far side wants too much to be held here.
    """

    def __init__(self, call: LongCall[Any], started: pb.Started) -> None:
        self._call = call
        self._out = NearOutput(started.stdout_capacity, call.raised)
        self._err = NearOutput(started.stderr_capacity, call.raised)
        self.stdout, self.stderr = self._out.log, self._err.log
        self._out.told = lambda had: call.order(pb.Order(stdout_read=had))
        self._err.told = lambda had: call.order(pb.Order(stderr_read=had))
        self._input = NearInput(call.order)
        self._status: ExitStatus | None = None
        self._exited = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        """Return when all of `data` is in the pipe."""
        await self._input.write(data)

    async def close_stdin(self) -> None:
        """Let the process see the end of its input."""
        await self._input.close()

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
        if self._status is None:
            await self._call.ask(pb.Order(signal=number))

    async def resize(self, size: PtySize) -> None:
        """Tell the terminal its new size."""
        if self._status is None:
            await self._call.ask(pb.Order(resize=size_to_wire(size)))

    def reported(self, report: pb.Report) -> None:
        """Take in what the far side says."""
        if report.stdout:
            self._out.add(report.stdout)
        if report.stderr:
            self._err.add(report.stderr)
        if report.HasField("stdout_end"):
            self._out.end(report.stdout_end)
        if report.HasField("stderr_end"):
            self._err.end(report.stderr_end)
        if report.written:
            self._input.written(report.written)
        if report.HasField("stdin_failure"):
            self._input.fail(self._call.raised(report.stdin_failure))
        if report.HasField("lost") and self._status is None:
            self.lost = TaskLost(message_from_wire(report.lost))
        if report.HasField("exit"):
            self._exit(status_from_wire(report.exit))

    def over(self, lost: TaskLost | None) -> None:
        """There will be no more reports.

        Args:
            lost: why, if they were broken off.
        """
        if lost is not None:
            if self._status is None:
                self.lost = lost
            self._input.fail(lost)
            self._out.log.fail(lost)
            self._err.log.fail(lost)
        self._exit(ExitStatus(signal=signal.SIGKILL))
        self._out.close()
        self._err.close()

    def _exit(self, status: ExitStatus) -> None:
        if self._status is None:
            self._status = status
            self._input.fail(BrokenPipeError(errno.EPIPE, "the process has ended"))
            self._exited.set()


class NearOutput:
    """One output of a process, and what its readers have had of it.

    The far side sends what it has, and holds it until it hears that a reader here has had it. So
    the program waits when it would have waited without another machine between.

    Args:
        capacity: bytes that are held unread.
        raised: makes the error of a failure.

    Attributes:
        log: the output.
        told: tells the far side what readers have had.

    Raises:
        Malformed: that is too much.
    """

    def __init__(self, capacity: int, raised: Callable[[pb.Failure], Exception]) -> None:
        if not 0 < capacity <= _LARGEST_LOG:
            raise Malformed(f"a log that holds {capacity} bytes")
        self.log = OutputLog(capacity)
        self.told = _nothing
        self._raised = raised
        self._step = min(_STEP, max(1, capacity // _STEP_PART))
        self._received = 0
        self._told = 0
        self._forget = self.log.watch(self._changed)

    def add(self, data: bytes) -> None:
        """More of it came.

        Raises:
            Malformed: more than there is room for, which the far side knows.
        """
        self._received += len(data)
        if self.log.add(data):
            raise Malformed("there is more output than the far side may send")
        if self.log.closed:
            self._changed()

    def end(self, end: pb.OutputEnd) -> None:
        """No more will come."""
        if end.HasField("failure"):
            failure = self._raised(end.failure)
            self.log.fail(
                failure if isinstance(failure, EngineError) else EngineError(str(failure))
            )
        self.log.close()

    def close(self) -> None:
        """No more will come, and nobody is told anything."""
        self.log.close()
        self.told = _nothing
        self._forget()

    def _changed(self) -> None:
        # A log that had no room on this disk takes everything, so that the program goes on.
        had = self._received if self.log.incomplete else self.log.had
        if had - self._told >= self._step:
            self._told = had
            self.told(had)


def _nothing(had: int) -> None:
    pass
