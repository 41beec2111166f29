"""Ways to give up a call: each tries it, and does not get its result.

A call is given up at a moment that a test names, not after a fixed time: on a busy machine it may
not have begun by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Has a function called, once, from any thread, when the call in its block has come so far.
Moment = Callable[[Callable[[], object]], AbstractContextManager[None]]

#: Seconds after which the callers time out, on clocks that stand still until the call waits.
PATIENCE = 1000.0


@contextlib.contextmanager
def when_it_waits(then: Callable[[], object]) -> Iterator[None]:
    """A moment: a call is under way, and the loop of the client has nothing to do.

    With an engine in memory, which is on the same loop, all that the call sent has arrived then.
    """
    idlers = portal().idlers

    def idler() -> bool:
        idlers.remove(idler)
        then()
        return False

    idlers.append(idler)
    try:
        yield
    finally:
        if idler in idlers:
            idlers.remove(idler)


def timed_out_in_asyncio(step: Any, moment: Moment = when_it_waits) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        time = loop.time

        def pass_time() -> None:
            loop.time = lambda: time() + PATIENCE  # type: ignore[method-assign]

        with (
            moment(lambda: loop.call_soon_threadsafe(pass_time)),
            pytest.raises(asyncio.TimeoutError),
        ):
            await asyncio.wait_for(step.aio(), PATIENCE)

    asyncio.run(main())


def cancelled_at_once_in_asyncio(step: Any, moment: Moment | None = None) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(step.aio())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def timed_out_in_trio(step: Any, moment: Moment = when_it_waits) -> None:
    clock = MockClock()

    async def main() -> None:
        token = trio.lowlevel.current_trio_token()
        with moment(lambda: token.run_sync_soon(clock.jump, PATIENCE)):
            with trio.move_on_after(PATIENCE) as scope:
                await step.aio()
        assert scope.cancelled_caught

    trio.run(main, clock=clock)


def interrupted(step: Any, moment: Moment = when_it_waits) -> None:
    main = threading.main_thread().ident or 0
    with moment(lambda: signal.pthread_kill(main, signal.SIGINT)), pytest.raises(KeyboardInterrupt):
        step()


GIVING_UP = [
    timed_out_in_asyncio,
    cancelled_at_once_in_asyncio,
    timed_out_in_trio,
    interrupted,
]
