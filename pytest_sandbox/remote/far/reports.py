"""What the near side is told in a call of `Create` or `Exec`, as it comes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.async_tasks import background

from ..wire.failures import failure_of
from ..wire.malformed import Malformed
from ..wire.processes import status_to_wire
from ..wire.tasks import end_to_wire
from ..wire.texts import message_to_wire, text_to_wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import ExitStatus, OutputLog, Process, Task, TaskEnd

    from .held import HeldTask

T = TypeVar("T")

#: Bytes of each output in one report: a frame of HTTP/2.
PART = 1024 * 1024


class Reports:
    """What is to be told of a process, of a task, or of a task and its main process.

    Args:
        process: `None` for a task without a main process.
        held: the task; `None` for a process that is no main process.

    Attributes:
        exit_told: whether it was told how the process ended.
    """

    def __init__(self, process: Process | None, held: HeldTask | None) -> None:
        self.exit_told = process is None
        self._process = process
        self._held = held
        self._end_told = held is None
        self._exit: asyncio.Task[ExitStatus] | None = None
        self._ending: asyncio.Task[TaskEnd] | None = None
        self._changed = asyncio.Event()
        self._next = pb.Report()
        self._any = False  # whether there is something in it
        logs = [] if process is None else [process.stdout, process.stderr]
        self._outputs = [ToldOutput(log) for log in logs]
        self._forget = [log.watch(self.wake) for log in logs]

    def begin(self) -> None:
        """Wake who waits for `changed` when something ends."""
        if self._process is not None and not self.exit_told:
            self._exit = background(self._waking(self._process.wait))
        if self._held is not None:
            self._ending = background(self._waking(partial(_end_of, self._held)))

    async def _waking(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()  # not made before: this may be cancelled before it has begun
        finally:
            self.wake()

    @property
    def complete(self) -> bool:
        """Whether there is nothing more to tell, now or later."""
        ended = all(output.end_told for output in self._outputs)
        return ended and self.exit_told and self._end_told

    def wake(self, _: object = None) -> None:
        """There may be something to tell."""
        self._changed.set()

    async def changed(self) -> None:
        """Return when there may be something to tell."""
        await self._changed.wait()

    def started(self, number: int, process: Process | None, task: Task | None = None) -> None:
        """Tell that it was started.

        Args:
            number: of the task.
            process: that runs, or the main process of the task.
            task: the task, if that was created.
        """
        started = self._next.started
        started.task, started.has_main = number, process is not None
        if task is not None:
            started.folder = text_to_wire(task.folder)
            started.default_workdir = text_to_wire(task.default_workdir)
        if process is not None:
            started.stdout_capacity = process.stdout.capacity
            started.stderr_capacity = process.stderr.capacity
        self._some()

    def written(self, parts: int) -> None:
        """So many parts of input are in the pipe."""
        self._next.written = parts
        self._some()

    def no_input(self, failure: pb.Failure) -> None:
        """No more input can be written."""
        self._next.stdin_failure.CopyFrom(failure)
        self._some()

    def answered(self, number: int, failure: pb.Failure | None) -> None:
        """An order was carried out."""
        self._next.done.add(number=number, failure=failure)
        self._some()

    def had(self, output: int, offset: int) -> None:
        """A reader of the near side has had an output up to an offset.

        Raises:
            Malformed: that was not sent.
        """
        if output < len(self._outputs):
            self._outputs[output].had(offset)

    def take(self) -> pb.Report | None:
        """What there is to tell now; `None` for nothing."""
        self._changed.clear()
        report, there = self._next, self._any
        if self._outputs:
            out, err = self._outputs
            if data := out.take():
                report.stdout, there = data, True
            if data := err.take():
                report.stderr, there = data, True
            if out.take_end():
                report.stdout_end.CopyFrom(out.end())
                there = True
            if err.take_end():
                report.stderr_end.CopyFrom(err.end())
                there = True
        if not self.exit_told and self._tell_exit(report):
            self.exit_told = there = True
        if not self._end_told and self._ending is not None and self._ending.done():
            report.end.CopyFrom(end_to_wire(self._ending.result()))
            self._end_told = there = True
        if not there:
            return None
        self._next, self._any = pb.Report(), False
        if any(output.has_more for output in self._outputs):
            self.wake()
        return report

    def _tell_exit(self, report: pb.Report) -> bool:
        """Say how the process ended, if it has; whether it has."""
        process = self._process
        status = None if process is None else process.poll()
        if process is None or status is None:
            return False
        report.exit.CopyFrom(status_to_wire(status))
        if process.lost is not None:
            report.lost = message_to_wire(str(process.lost))
        return True

    def close(self) -> None:
        """Tell nothing more."""
        for forget in self._forget:
            forget()
        for waits in (self._exit, self._ending):
            if waits is not None:
                waits.cancel()

    def _some(self) -> None:
        self._any = True
        self.wake()


class ToldOutput:
    """One output of a process, and what was told of it.

    What is sent does not count as read: the program waits for the readers of the near side.

    Args:
        log: the output.

    Attributes:
        end_told: whether its end was told.
    """

    def __init__(self, log: OutputLog) -> None:
        self.end_told = False
        self._log = log
        self._sent = 0

    def take(self) -> bytes:
        """The next bytes of it."""
        data = self._log.peek(self._sent, PART)
        self._sent += len(data)
        return data

    @property
    def has_more(self) -> bool:
        """Whether there are bytes that were not taken."""
        return self._sent < self._log.end

    def take_end(self) -> bool:
        """Whether its end is to be told now."""
        if self.end_told or not self._log.closed or self.has_more:
            return False
        self.end_told = True
        return True

    def end(self) -> pb.OutputEnd:
        """Its end: why it came too early, if it did."""
        failure = self._log.failure
        return pb.OutputEnd(failure=None if failure is None else failure_of(failure))

    def had(self, offset: int) -> None:
        """A reader has had it up to an offset.

        Raises:
            Malformed: that was not sent.
        """
        if offset > self._sent:
            raise Malformed(f"output up to byte {offset} was read, and {self._sent} were sent")
        self._log.taken(offset)


async def _end_of(held: HeldTask) -> TaskEnd:
    """How a task ended, once the ends of all its processes were told."""
    end = await held.task.wait()
    while held.telling:
        await asyncio.wait(held.telling)
    return end
