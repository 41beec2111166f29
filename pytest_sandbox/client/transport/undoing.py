"""Work that undoes what a caller has given up, for which the end of the program waits a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background

if TYPE_CHECKING:
    from collections.abc import Coroutine

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Of all loops: a fork has those of its parent too.
_under_way: set[asyncio.Task[Any]] = set()


def start_undo(work: Coroutine[Any, Any, object]) -> None:
    """Start work that undoes something; its error is dropped."""
    count_as_undo(background(work))


def count_as_undo(task: asyncio.Task[Any]) -> None:
    """Count a task that may start to undo something when it ends."""
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def finish_undos(seconds: float) -> None:
    """Wait until everything on this loop is undone, but no longer than so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while under_way := {task for task in _under_way if task.get_loop() is loop}:
        _, late = await asyncio.wait(under_way, timeout=max(0.0, end - loop.time()))
        if late:
            return
