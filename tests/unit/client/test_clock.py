"""Waiting for something, on the time of an engine in memory."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_sandbox.client.transport.clock import REAL_TIME, Clock, within
from pytest_sandbox.fakes import VirtualClock, new_event_loop


def run(main: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    loop = new_event_loop(clock)
    try:
        loop.run_until_complete(main(clock))
    finally:
        loop.close()


async def answer() -> int:
    return 42


@pytest.mark.parametrize("clock", [REAL_TIME, VirtualClock()], ids=["real", "virtual"])
@pytest.mark.asyncio
async def test_what_is_in_time_is_given(clock: Clock) -> None:
    assert await within(clock, 10, answer()) == 42


def test_what_takes_too_long_is_cancelled_and_leaves_no_trace() -> None:
    async def main(clock: VirtualClock) -> None:
        ends: list[float] = []

        async def slow() -> None:
            try:
                await clock.sleep(100)
            finally:
                ends.append(clock.monotonic())

        with pytest.raises(asyncio.TimeoutError):
            await within(clock, 10, slow())
        assert ends == [10]
        task = asyncio.current_task()
        assert getattr(task, "cancelling", int)() == 0

    run(main)


def test_being_cancelled_is_no_timeout() -> None:
    async def main(clock: VirtualClock) -> None:
        waiting = asyncio.ensure_future(within(clock, 10, asyncio.Event().wait()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert clock.monotonic() == 0

    run(main)


def test_what_ends_in_the_last_moment_is_not_cancelled_afterwards() -> None:
    async def main(clock: VirtualClock) -> None:
        await within(clock, 10, clock.sleep(10))
        for _ in range(5):
            await asyncio.sleep(0)

    run(main)
