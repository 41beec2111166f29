"""What the near side orders in a call of `Create` or `Exec`."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background

from ..wire.malformed import Malformed
from ..wire.processes import size_from_wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_sandbox._proto import engine_pb2 as pb
    from pytest_sandbox.engine import Process, Task

    from .reports import Reports

    Told = Callable[[Exception], pb.Failure]

#: Bytes of input that wait for the program, and orders under way, before no more are read.
_MOST_INPUT, _MOST_ORDERS = 4 * 1024 * 1024, 100


class Orders:
    """Carries them out.

    Args:
        process: that they are about; `None` for a task without a main process.
        task: the task; `None` if they are about a process that is no main process.
        reports: tells how that went.
        told: what the near side is told of an error.
    """

    def __init__(
        self, process: Process | None, task: Task | None, reports: Reports, told: Told
    ) -> None:
        self._process = process
        self._task = task
        self._reports = reports
        self._told = told
        self._input = None if process is None else FedInput(process, reports, told)
        self._working: set[asyncio.Task[None]] = set()

    async def read(self, orders: AsyncIterator[pb.Order]) -> None:
        """Carry orders out, until the near side gives no more.

        Raises:
            Malformed: one makes no sense.
        """
        async for order in orders:
            if order.HasField("create") or order.HasField("exec"):
                raise Malformed("a call creates one task, or starts one process")
            if order.stdin or order.end_stdin:
                await self._feed(order)
            if order.HasField("stdout_read"):
                self._reports.had(0, order.stdout_read)
            if order.HasField("stderr_read"):
                self._reports.had(1, order.stderr_read)
            if order.HasField("signal") or order.HasField("resize"):
                await self._start(partial(self._work_on_process, order))
            if order.kill and self._task is not None:
                await self._start(self._task.kill)

    async def _feed(self, order: pb.Order) -> None:
        if self._input is None:
            raise Malformed("there is input for no process")
        await self._input.put(order.stdin, end=order.end_stdin)

    async def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work while further orders come: a signal need not wait for input that waits."""
        while len(self._working) >= _MOST_ORDERS:
            await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)

        async def doing() -> None:
            await work()  # not made before: this may be cancelled before it has begun

        working = background(doing())
        self._working.add(working)
        working.add_done_callback(self._working.discard)

    async def _work_on_process(self, order: pb.Order) -> None:
        failure = None
        try:
            if self._process is None:
                raise Malformed("there is no process")
            if order.HasField("signal"):
                await self._process.signal(order.signal)
            if order.HasField("resize"):
                await self._process.resize(size_from_wire(order.resize))
        except Exception as error:
            failure = self._told(error)
        self._reports.answered(order.number, failure)

    def close(self) -> None:
        """Carry nothing more out."""
        for working in self._working:
            working.cancel()
        if self._input is not None:
            self._input.close()


class FedInput:
    """Input of a process, on its way into the pipe.

    Args:
        process: the process.
        reports: tells what is in the pipe.
        told: what the near side is told of an error.
    """

    def __init__(self, process: Process, reports: Reports, told: Told) -> None:
        self._process = process
        self._reports = reports
        self._told = told
        self._parts: deque[bytes] = deque()
        self._size = self._written = 0
        self._ends = False
        self._writing: asyncio.Task[None] | None = None

    async def put(self, data: bytes, *, end: bool) -> None:
        """Write a part after those before; waits while there are too many bytes.

        Args:
            data: the part.
            end: no further part comes.

        Raises:
            Malformed: one came after the end.
        """
        if self._ends:
            raise Malformed("there is input after its end")
        if data:
            self._parts.append(data)
            self._size += len(data)
        self._ends = end
        if self._writing is None:
            self._writing = background(self._write())
        while self._size > _MOST_INPUT and self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        try:
            while self._parts:
                part = self._parts.popleft()
                await self._process.write_stdin(part)
                self._size -= len(part)
                self._written += 1
                self._reports.written(self._written)
            if self._ends:
                await self._process.close_stdin()
        except Exception as error:
            self._parts.clear()
            self._size = 0
            self._reports.no_input(self._told(error))
        finally:
            self._writing = None

    def close(self) -> None:
        """Write nothing more."""
        if self._writing is not None:
            self._writing.cancel()
