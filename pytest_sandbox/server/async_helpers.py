"""Background work whose errors are logged, and closing of iterators."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Background work that runs. The event loop itself refers to it only weakly: `asyncio.create_task`.
_background: set["asyncio.Future[Any]"] = set()


@asynccontextmanager
async def closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an iterator at the end of a `with` block, if it can be closed, as a generator can."""
    try:
        yield source
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def start(work: Coroutine[Any, Any, Any]) -> "asyncio.Future[Any]":
    """Run `work` in the background, referred to or not; an error in it is a bug, and is logged."""
    task = asyncio.get_running_loop().create_task(work)
    _background.add(task)
    task.add_done_callback(_report)
    return task


def _report(task: "asyncio.Future[Any]") -> None:
    _background.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%r failed", task, exc_info=error)
