"""How often an operation waits for the other side: over a long way, each time is what it costs."""

from __future__ import annotations

import asyncio

import pytest

from pytest_sandbox.engine import ProcessSpec, Task, TaskSpec
from pytest_sandbox.remote.near.engine import RemoteEngine

from .far_away import LongWay


async def run(task: Task) -> bytes:
    process = await task.exec(ProcessSpec(("echo", "hi")))
    output = b"".join([part async for part in process.stdout.follow()])
    assert (await process.wait()).code == 0
    return output


@pytest.mark.asyncio
async def test_a_sandbox_and_its_first_command_take_two_and_a_further_one_takes_one() -> None:
    way = LongWay()
    engine = RemoteEngine(way.meet)
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
