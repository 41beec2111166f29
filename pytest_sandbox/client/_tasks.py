"""Work on the loop that goes on beside a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


def beside(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start work whose error is of interest to whoever awaits it, and to nobody else."""
    task = asyncio.ensure_future(coroutine)
    task.add_done_callback(_seen)
    return task


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # else asyncio complains that nobody asked


async def dropped(*tasks: asyncio.Task[Any]) -> None:
    """End work that nobody awaits any more, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
