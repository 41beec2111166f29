"""How often an operation waits for the other side: over a long way, each time is what it costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_sandbox.client.transport import WideChannel
from pytest_sandbox.engine import ProcessSpec, SystemClock, Task, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.link.session import Session
from pytest_sandbox.remote.link.timing import Timing
from pytest_sandbox.remote.near.connection import FarConnection
from pytest_sandbox.remote.near.engine import RemoteEngine

from .wires import Wire

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from grpclib.protocol import H2Protocol

T = TypeVar("T")


class LongWay(FarConnection):
    """A connection to an engine in memory, on which a test lets messages travel."""

    machine = "far"
    reason = ""

    def __init__(self) -> None:
        self._service = FarService(lambda _: FakeEngine(clock=SystemClock()))
        self._channel = self.channel = _LongChannel(self)
        self.wire: Wire
        self.connected = asyncio.Event()

    def connect(self, near: H2Protocol) -> None:
        protocols = near, self._service.accept()
        ends = [Session(each, Timing(), _nothing, _nothing) for each in protocols]
        for end in ends:
            end.begin()
        self.wire = Wire(*ends)
        self.connected.set()

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


class _LongChannel(WideChannel):
    def __init__(self, way: LongWay) -> None:
        super().__init__(path="far")
        self._way = way

    async def _create_connection(self) -> H2Protocol:
        near = self._protocol_factory()
        self._way.connect(near)
        return near


def _nothing(_: str) -> None:
    pass


async def run(task: Task) -> bytes:
    process = await task.exec(ProcessSpec(("echo", "hi")))
    output = b"".join([part async for part in process.stdout.follow()])
    assert (await process.wait()).code == 0
    return output


@pytest.mark.asyncio
async def test_a_sandbox_and_its_first_command_take_two_and_a_further_one_takes_one() -> None:
    way = LongWay()

    async def connect() -> FarConnection:
        return way

    engine = RemoteEngine(connect)
    starting = asyncio.ensure_future(engine.start())
    await way.connected.wait()
    await way.round_trips(asyncio.wait_for(starting, 30))

    task, trips = await way.round_trips(engine.create(TaskSpec()))
    assert trips == 1
    for _ in range(2):
        output, trips = await way.round_trips(run(task))
        assert (output, trips) == (b"hi\n", 1)
    _, trips = await way.round_trips(task.files.mkdir("/root/made"))
    assert trips == 1
    _, trips = await way.round_trips(task.kill())
    assert trips == 1
    await way.close()
