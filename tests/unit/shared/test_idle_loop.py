"""When the loop asks the kernel for input."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sandbox._shared import idle_loop
from pytest_sandbox._shared.idle_loop import IdleEventLoop
from pytest_sandbox._shared.selector import UnboundedSelector

TURNS = 200


@pytest.fixture
def loop() -> Iterator[IdleEventLoop]:
    loop = IdleEventLoop()
    yield loop
    loop.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The time-outs with which the kernel was asked."""
    timeouts: list[float | None] = []

    class Counted(UnboundedSelector):
        def select(self, timeout: float | None = None) -> list[Any]:
            timeouts.append(timeout)
            return super().select(timeout)

    monkeypatch.setattr(idle_loop, "UnboundedSelector", Counted)
    return timeouts


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def test_a_busy_loop_that_watches_nothing_seldom_asks(asked: list[float], loop: Any) -> None:
    loop.run_until_complete(_turns(TURNS))
    assert 1 <= len(asked) <= TURNS // 10


def test_a_loop_that_watches_a_socket_asks_in_each_turn(asked: list[float], loop: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_reader(ours, bool)
        loop.run_until_complete(_turns(TURNS))
        loop.remove_reader(ours)
    assert len(asked) >= TURNS
    asked.clear()
    loop.run_until_complete(_turns(TURNS))
    assert len(asked) <= TURNS // 10


def test_signals_are_handled_while_the_loop_is_busy(loop: IdleEventLoop) -> None:
    handled: list[int] = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: handled.append(1))

    async def busy() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        await _turns(TURNS)
        assert handled

    loop.run_until_complete(busy())
    loop.remove_signal_handler(signal.SIGUSR1)
