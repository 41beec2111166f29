"""How often an operation waits for the other side: over a long way, each time is what it costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_sandbox._http2 import frames
from pytest_sandbox.client.transport import wide_protocol
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


def kinds(data: bytes) -> list[int]:
    """Of the frames in it."""
    reader = frames.FrameReader(2**20)
    return [frame.kind for frame in reader.read(data)]


@pytest.mark.parametrize("later", [1000.0, 0.0], ids=["together", "alone"])
@pytest.mark.asyncio
async def test_a_command_is_one_message_there_and_two_back(
    later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end goes with its last output, and with the next command if that comes soon."""
    monkeypatch.setattr(wide_protocol, "_LATER", later)
    way = LongWay()
    engine = RemoteEngine(way.meet)
    starting = asyncio.ensure_future(engine.start())
    await way.connected.wait()
    await way.round_trips(asyncio.wait_for(starting, 30))
    task, _ = await way.round_trips(engine.create(TaskSpec()))
    await way.round_trips(run(task))
    written: list[list[list[int]]] = [[], []]
    for end, session in enumerate(way.ends):

        def write(data: bytes, end: int = end, before: Any = session.write) -> None:
            written[end].append(kinds(data))
            before(data)

        monkeypatch.setattr(session, "write", write)

    for _ in range(3):
        await way.round_trips(run(task))

    begin, last = [frames.HEADERS, frames.DATA], [frames.DATA, frames.HEADERS]
    assert written[1] == [begin, last] * 3
    # The one before the three, which is not counted, has an end too.
    there = [[frames.DATA, *begin]] * 3 if later else [begin, [frames.DATA]] * 2 + [begin]
    assert written[0][: len(there)] == there
    await way.close()


@pytest.mark.asyncio
async def test_a_life_is_three_messages_there_and_four_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is a record of TLS, a call of the kernel at either end, and what wakes a process."""
    monkeypatch.setattr(wide_protocol, "_LATER", 1000.0)
    way = LongWay()
    engine = RemoteEngine(way.meet)
    starting = asyncio.ensure_future(engine.start())
    await way.connected.wait()
    await way.round_trips(asyncio.wait_for(starting, 30))
    written = [0, 0]
    for number, end in enumerate(way.wire.ends):

        def write(data: bytes, number: int = number, before: Any = end.write) -> None:
            written[number] += 1
            before(data)

        def write_all(parts: list[bytes], write: Any = write) -> None:
            for part in parts:  # as over TLS
                write(part)

        monkeypatch.setattr(end, "write", write)
        monkeypatch.setattr(end, "writelines", write_all)

    lives = 5
    for _ in range(lives):
        task, _ = await way.round_trips(engine.create(TaskSpec()))
        await way.round_trips(run(task))
        await way.round_trips(task.kill())

    assert written == [3 * lives, 4 * lives]
    await way.close()
