"""Time in memory: it stands still, is advanced, or skips to where something happens."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.fakes import FakeEngine, VirtualClock, new_event_loop

T = TypeVar("T")


def on_jumping_loop(clock: VirtualClock, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    loop = new_event_loop(clock)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_a_fresh_clock_shows_its_start_and_stands_still() -> None:
    clock = VirtualClock(start=5.5)
    assert (clock.now(), clock.monotonic(), clock.next_timer) == (5.5, 0.0, None)
    assert (clock.now(), clock.monotonic()) == (5.5, 0.0)


@pytest.mark.asyncio
async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before() -> None:
    clock = VirtualClock()
    sleeper = asyncio.ensure_future(clock.sleep(10))
    await clock.advance(9.999)
    assert not sleeper.done()
    await clock.advance(0.001)
    assert sleeper.done()
    assert clock.monotonic() == pytest.approx(10)


@pytest.mark.asyncio
async def test_sleepers_wake_in_the_order_of_their_times_then_of_their_calls() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    sleepers = [
        asyncio.ensure_future(sleep(*each)) for each in (("c", 3), ("a", 1), ("b1", 2), ("b2", 2))
    ]
    await clock.advance(5)
    await asyncio.gather(*sleepers)
    assert woken == [("a", 1), ("b1", 2), ("b2", 2), ("c", 3)]


@pytest.mark.asyncio
async def test_advancing_far_runs_what_sleeps_again_and_again() -> None:
    clock = VirtualClock()
    seen: list[float] = []

    async def poll() -> None:
        while True:
            await clock.sleep(1)
            seen.append(clock.monotonic())

    poller = asyncio.ensure_future(poll())
    await clock.advance(5)
    poller.cancel()
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [-1, -0.001, math.inf, math.nan])
async def test_a_clock_is_never_turned_back_or_to_nowhere(seconds: float) -> None:
    with pytest.raises(ValueError, match="0 seconds or more"):
        await VirtualClock().advance(seconds)


@pytest.mark.asyncio
async def test_a_sleep_that_is_given_up_leaves_no_timer() -> None:
    clock = VirtualClock()
    sleeper = asyncio.ensure_future(clock.sleep(10))
    await clock.advance(0)
    assert clock.next_timer == 10
    sleeper.cancel()
    await clock.advance(0)
    assert clock.next_timer is None
    assert not clock.jump()


@pytest.mark.asyncio
async def test_sleeps_that_are_given_up_are_forgotten_before_their_time() -> None:
    clock = VirtualClock()
    awake = asyncio.ensure_future(clock.sleep(5))
    for _ in range(100):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(clock.sleep(1000), 0.0001)
    assert len(clock._timers) < 20
    await clock.advance(5)
    assert awake.done()


@pytest.mark.asyncio
async def test_no_sleep_and_a_negative_one_end_at_once() -> None:
    clock = VirtualClock()
    await clock.sleep(0)
    await clock.sleep(-5)
    assert clock.monotonic() == 0
    with pytest.raises(ValueError, match="nan"):
        await clock.sleep(math.nan)


def test_a_day_passes_at_once_when_all_wait_for_it() -> None:
    clock = VirtualClock()

    async def main() -> list[float]:
        began = time.monotonic()
        engine = FakeEngine(clock=clock)
        await engine.start()
        task = await engine.create(TaskSpec(main=ProcessSpec(("sleep", "24h"))))
        await task.wait()
        await engine.close()
        return [clock.monotonic(), time.monotonic() - began < 3600]

    assert on_jumping_loop(clock, main) == [86400.0, True]


def test_time_does_not_skip_while_something_can_run() -> None:
    clock = VirtualClock()

    async def main() -> tuple[float, bool]:
        sleeper = asyncio.ensure_future(clock.sleep(1))
        for _ in range(1000):
            await asyncio.sleep(0)
        before = clock.monotonic(), sleeper.done()
        await sleeper
        return before

    assert on_jumping_loop(clock, main) == (0.0, False)
    assert clock.monotonic() == 1.0


def test_input_from_another_thread_comes_before_a_skip() -> None:
    clock = VirtualClock()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        await asyncio.to_thread(lambda: loop.call_soon_threadsafe(arrived.set_result, None))
        await arrived
        return clock.monotonic()

    assert on_jumping_loop(clock, main) == 0.0


def test_advancing_waits_for_long_chains_on_a_loop_that_knows_when_it_is_idle() -> None:
    clock = VirtualClock()
    loop = new_event_loop(clock)
    loop.on_idle = None
    seen: list[float] = []

    async def chain() -> None:
        await clock.sleep(1)
        for _ in range(10_000):
            await asyncio.sleep(0)
        seen.append(clock.monotonic())
        await clock.sleep(1)
        seen.append(clock.monotonic())

    async def main() -> None:
        task = asyncio.ensure_future(chain())
        await clock.advance(5)
        await task

    loop.run_until_complete(main())
    loop.close()
    assert seen == [1, 2]
