"""Calls from another event loop wake the portal's loop, and are woken, once for many."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client.transport.mailbox import Mailbox, mailbox_of
from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often it is woken from another thread."""

    woken = 0
    interrupt = False

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:  # type: ignore[override]
        self.woken += 1
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt
        return super().call_soon_threadsafe(*args, **options)


@pytest.fixture
def loop() -> Iterator[CountingLoop]:
    loop = CountingLoop()
    yield loop
    loop.close()


def run(loop: CountingLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))


def test_many_functions_wake_the_loop_once(loop: CountingLoop) -> None:
    mailbox, called = Mailbox(loop), list[int]()
    for number in range(5):
        mailbox.send(lambda number=number: called.append(number))  # type: ignore[misc]
    assert loop.woken == 1

    run(loop)
    assert called == [0, 1, 2, 3, 4]
    mailbox.send(lambda: called.append(5))
    run(loop)
    assert (called[5:], loop.woken) == ([5], 2)


def test_what_is_sent_meanwhile_wakes_it_again(loop: CountingLoop) -> None:
    mailbox, called = Mailbox(loop), list[str]()

    def first() -> None:
        called.append("first")
        mailbox.send(lambda: called.append("second"))
        called.append("sent")

    mailbox.send(first)
    run(loop)
    assert (called, loop.woken) == (["first", "sent", "second"], 2)


def test_each_has_the_context_of_its_sender(loop: CountingLoop) -> None:
    variable = contextvars.ContextVar("variable", default="")
    mailbox, found = Mailbox(loop), list[str]()

    def send(value: str) -> None:
        variable.set(value)
        mailbox.send(lambda: found.append(variable.get()))

    for value in ("one", "two"):
        contextvars.copy_context().run(send, value)
    run(loop)
    assert found == ["one", "two"]


def test_one_that_fails_is_reported_and_stops_no_other(loop: CountingLoop) -> None:
    mailbox, called = Mailbox(loop), list[int]()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))

    mailbox.send(lambda: 1 / 0)
    mailbox.send(lambda: called.append(1))
    run(loop)

    assert called == [1]
    assert isinstance(reported[0]["exception"], ZeroDivisionError)


def test_an_interrupt_keeps_nobody_waiting(loop: CountingLoop) -> None:
    mailbox, called = Mailbox(loop), list[int]()
    loop.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        mailbox.send(lambda: called.append(1))

    mailbox.send(lambda: called.append(2))
    run(loop)
    assert called == [1, 2]


def test_a_loop_that_is_closed_or_gone_is_an_error() -> None:
    loop = CountingLoop()
    mailbox = Mailbox(loop)
    loop.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            mailbox.send(bool)
    del loop
    gc.collect()
    with pytest.raises(RuntimeError, match="gone"):
        mailbox.send(bool)


def test_a_loop_has_one_mailbox(loop: CountingLoop) -> None:
    assert mailbox_of(loop) is mailbox_of(loop)


def test_calls_at_once_wake_both_loops_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty calls of one turn are one wake-up there, and few back."""
    there = portal()
    starts: list[object] = []
    wake: Callable[..., Any] = there._loop.call_soon_threadsafe

    def counted(*args: Any, **options: Any) -> Any:
        starts.append(None)
        return wake(*args, **options)

    monkeypatch.setattr(there._loop, "call_soon_threadsafe", counted)
    loop = CountingLoop()
    gate = threading.Event()
    wake(gate.wait)  # the portal's loop is busy until all calls are made

    async def number(value: int) -> int:
        return value

    async def main() -> list[int]:
        calls = [there.run_aio(lambda n=n: number(n)) for n in range(50)]  # type: ignore[misc]
        results = asyncio.gather(*calls)
        await asyncio.sleep(0)  # in which all of them are made
        gate.set()
        return await results

    try:
        assert loop.run_until_complete(main()) == list(range(50))
    finally:
        loop.close()
    assert len(starts) == 1
    assert loop.woken < 50
