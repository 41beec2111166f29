"""A far side to which messages travel only when a test lets them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox.engine import SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.link.session import Session
from pytest_sandbox.remote.link.timing import Timing
from pytest_sandbox.remote.near.channel import FarChannel
from pytest_sandbox.remote.near.connection import FarConnection

from .wires import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from grpclib.protocol import H2Protocol

T = TypeVar("T")


class LongWay(FarConnection):
    """A connection to an engine in memory, on which a test lets messages travel."""

    machine = "far"
    reason = ""

    def __init__(self) -> None:
        self._service = FarService(lambda _: FakeEngine(clock=SystemClock()))
        self._channel = self.channel = FarChannel(self._connect)
        self.ends: list[Session]
        self.wire: Wire
        self.connected = asyncio.Event()

    async def meet(self) -> FarConnection:
        """What `RemoteEngine` connects by."""
        return self

    async def _connect(self, make: Callable[[], H2Protocol]) -> H2Protocol:
        near = make()
        protocols = near, self._service.accept()
        self.ends = [Session(each, Timing(), _nothing, _nothing) for each in protocols]
        for end in self.ends:
            end.begin()
        self.wire = Wire(*self.ends)
        self.connected.set()
        return near

    async def round_trips(self, work: Coroutine[Any, Any, T]) -> tuple[T, int]:
        """What work gives, and how often it waited for an answer from the other side."""
        task = asyncio.ensure_future(work)
        trips = 0
        while True:
            for end in (0, 1):
                for _ in range(200):  # until nothing more happens here, or there
                    await asyncio.sleep(0)
                if task.done():
                    return task.result(), trips
                self.wire.deliver(end, 2**30)
            trips += 1

    async def close(self) -> None:
        self._channel.close()
        await self._service.end()


def _nothing(_: str) -> None:
    pass
