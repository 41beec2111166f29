"""`Create` and `Exec`, which last as long as what they make."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import SupportsSidecars

from ..wire.malformed import Malformed
from ..wire.processes import process_from_wire
from ..wire.tasks import task_from_wire
from .orders import Orders
from .reports import Reports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_sandbox._proto import engine_pb2 as pb
    from pytest_sandbox.engine import Task

    from .held import Held

    Send = Callable[[pb.Report], Awaitable[None]]


class LongCalls:
    """Serves them.

    Args:
        held: what the session holds.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    async def create(self, orders: AsyncIterator[pb.Order], send: Send) -> None:
        """Create a task, and tell of it and its main process; it ends if this call is given up."""
        first = await anext(orders)
        if not first.HasField("create"):
            raise Malformed("the first order creates nothing")
        self._held.check_room()
        task = await self._created(first.create)
        held = self._held.add_task(task)
        reports = Reports(task.main, held)
        carried_out = Orders(task.main, task, reports, self._held.told)
        reports.started(held.number, task.main, task)
        try:
            await _converse(carried_out, reports, orders, send)
        finally:
            if not reports.complete:
                self._held.release_task(held.number)
                background(task.kill())

    async def _created(self, request: pb.CreateRequest) -> Task:
        spec = task_from_wire(request.spec, self._held.image)
        if request.HasField("beside"):
            beside = self._held.task(request.beside)
            return await SupportsSidecars.of(beside).create_sidecar(spec)
        return await self._held.engine.create(spec)

    async def exec(self, orders: AsyncIterator[pb.Order], send: Send) -> None:
        """Start a process, and tell of it; it is killed if this call is given up."""
        first = await anext(orders)
        if not first.HasField("exec"):
            raise Malformed("the first order starts nothing")
        held = self._held.held_task(first.exec.task)
        process = await held.task.exec(process_from_wire(first.exec.spec))
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        held.telling.add(told)
        reports = Reports(process, None)
        carried_out = Orders(process, None, reports, self._held.told)
        reports.started(held.number, process)
        try:
            await _converse(carried_out, reports, orders, send, told)
        finally:
            held.telling.discard(told)
            _done(told)
            if process.poll() is None:
                background(process.signal(signal.SIGKILL))


async def _converse(
    carried_out: Orders,
    reports: Reports,
    orders: AsyncIterator[pb.Order],
    send: Send,
    exit_told: asyncio.Future[None] | None = None,
) -> None:
    """Report and take orders, until all is told.

    Raises:
        Malformed: an order makes no sense.
    """
    reading: asyncio.Task[None] | None = None

    async def tell() -> None:
        report = reports.take()
        if report is None:
            return
        if reports.complete:  # before the last report, so that the end goes out with it
            _stop(reading, carried_out)
        await send(report)
        if reports.exit_told and exit_told is not None:
            _done(exit_told)

    try:
        await tell()  # before anything else is begun
        reports.begin()
        reading = background(carried_out.read(orders))
        reading.add_done_callback(reports.wake)
        while not reports.complete:
            await reports.changed()
            if reading.done():
                reading.result()
            await tell()
    finally:
        reports.close()
        _stop(reading, carried_out)


def _stop(reading: asyncio.Task[None] | None, carried_out: Orders) -> None:
    """Take no more orders."""
    if reading is not None:
        reading.cancel()
    carried_out.close()


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
