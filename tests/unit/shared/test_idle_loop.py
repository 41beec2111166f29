"""When the loop asks the kernel for input."""

import asyncio
import os
import selectors
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sandbox._shared.idle_loop import IdleEventLoop

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

    class Counted(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[Any]:
            timeouts.append(timeout)
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Counted)
    return timeouts


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def test_a_busy_loop_that_watches_nothing_seldom_asks(asked: list[float], loop: Any) -> None:
    loop.run_until_complete(_turns(TURNS))
    assert 1 <= len(asked) <= TURNS // 10


def test_a_loop_that_watches_a_socket_asks_every_few_turns(asked: list[float], loop: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_reader(ours, bool)
        loop.run_until_complete(_turns(TURNS))
        loop.remove_reader(ours)
    assert TURNS // 5 <= len(asked) <= TURNS // 3
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


def test_a_loop_is_not_idle_while_there_is_input(loop: IdleEventLoop) -> None:
    """Also at once after a busy turn, in which the kernel was not asked."""
    ours, theirs = socket.socketpair()
    idle: list[int] = []

    def note() -> bool:
        idle.append(1)
        return False

    async def receive() -> None:
        came = loop.create_future()
        loop.add_reader(ours, lambda: came.done() or came.set_result(None))  # type: ignore[func-returns-value]
        await asyncio.sleep(0)
        theirs.send(b"x")
        loop.on_idle = note
        await came
        loop.on_idle = None
        loop.remove_reader(ours)
        ours.recv(1)

    with ours, theirs:
        for _ in range(9):
            loop.run_until_complete(receive())
    assert idle == []
