"""Ways to give up a call: each tries it, and does not get its result."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import pytest
import trio


def timed_out_in_asyncio(step: Any) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(step.aio(), 0.05)

    asyncio.run(main())


def cancelled_at_once_in_asyncio(step: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(step.aio())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def timed_out_in_trio(step: Any) -> None:
    async def main() -> None:
        with trio.move_on_after(0.05) as scope:
            await step.aio()
        assert scope.cancelled_caught

    trio.run(main)


def interrupted(step: Any) -> None:
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        step()
    timer.join()


GIVING_UP = [
    timed_out_in_asyncio,
    cancelled_at_once_in_asyncio,
    timed_out_in_trio,
    interrupted,
]
