"""Work on the loop that goes on beside a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


def beside(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start work whose error is of interest to whoever awaits it, and to nobody else."""
    task = asyncio.ensure_future(coroutine)
    task.add_done_callback(_seen)
    return task


async def owned(
    making: Coroutine[Any, Any, T], drop: Callable[[T], Coroutine[Any, Any, None]]
) -> T:
    """What is made, or dropped if the caller has gone by the time that it exists.

    The server may have it already when the caller goes, and nobody else would end it.
    """
    task = beside(making)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        beside(_dropped(task, drop))
        raise


async def _dropped(making: asyncio.Task[T], drop: Callable[[T], Coroutine[Any, Any, None]]) -> None:
    await drop(await making)


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # else asyncio complains that nobody asked


async def dropped(*tasks: asyncio.Task[Any]) -> None:
    """End work that nobody awaits any more, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
