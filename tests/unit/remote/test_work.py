"""How much work lies between an engine and its caller, in what can be counted."""

from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import ProcessSpec, SystemClock, TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote import loopback_engine

from .wires import End, Wire

if TYPE_CHECKING:
    from pytest_sandbox.engine import Engine

#: Serves until it has told what Python's collector looks at.
_SERVES = """
import gc, os, signal
from pytest_sandbox.remote import FarListening, FarServer

def announce(address, bound):
    print(gc.get_threshold()[0] > 700, gc.get_freeze_count() > 0)
    os.kill(os.getpid(), signal.SIGTERM)

FarServer(None).serve(FarListening("127.0.0.1", 0, "token", tls=False), announce)
"""
#: Lives that are counted.
_LIVES = 20


class Counting(selectors.DefaultSelector):
    """Counts the turns of an event loop."""

    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        return super().select(timeout)


async def life(engine: Engine) -> None:
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("echo", "hi")))
    assert b"".join([part async for part in process.stdout.follow()]) == b"hi\n"
    await process.wait()
    await task.kill()


def counted(make: Any) -> tuple[float, float]:
    """Turns of the event loop, and tasks of asyncio, in which one life is lived."""
    selector = Counting()
    loop = asyncio.SelectorEventLoop(selector)
    tasks = 0

    def task_of(loop: Any, work: Any, **options: Any) -> Any:
        nonlocal tasks
        tasks += 1
        return asyncio.Task(work, loop=loop, **options)

    async def lives() -> tuple[float, float]:
        engine = make()
        await engine.start()
        await life(engine)
        before = selector.turns, tasks
        for _ in range(_LIVES):
            await life(engine)
        after = selector.turns, tasks
        await engine.close()
        for _ in range(5):  # in which asyncio closes its sockets
            await asyncio.sleep(0)
        turns, made = (there - here for here, there in zip(before, after, strict=True))
        return turns / _LIVES, made / _LIVES

    loop.set_task_factory(task_of)
    try:
        return loop.run_until_complete(lives())
    finally:
        loop.close()


def fake() -> FakeEngine:
    return FakeEngine(clock=SystemClock())


def test_a_life_takes_few_turns_of_the_loop() -> None:
    """Each is a look at the kernel, and a wait for what else is to be done."""
    turns, tasks = counted(lambda: loopback_engine(fake))
    turns_here, tasks_here = counted(fake)

    # It was 29 and 10 once. Seven messages are read; the rest is what works on them.
    assert turns - turns_here < 22
    assert tasks - tasks_here < 10


@pytest.mark.asyncio
async def test_a_small_message_is_one_write_and_so_one_record_of_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = End(), End()
    wire = Wire(here.session, there.session)
    carrier = wire.ends[0]
    write = carrier.write
    written: list[int] = []

    def count(data: bytes) -> None:
        written.append(len(data))
        write(data)

    def count_each(parts: list[bytes]) -> None:  # as asyncio does over TLS
        for part in parts:
            count(part)

    monkeypatch.setattr(carrier, "write", count)
    monkeypatch.setattr(carrier, "writelines", count_each)

    here.session.write(b"small")
    wire.settle()

    assert written == [5 + len(b"small")]
    assert there.program.got == b"small"


def test_the_collector_looks_seldom_and_not_at_what_there_was_before() -> None:
    served = subprocess.run([sys.executable, "-c", _SERVES], stdout=subprocess.PIPE, check=True)

    assert served.stdout.split() == [b"True", b"True"]
