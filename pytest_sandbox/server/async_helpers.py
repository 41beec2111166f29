"""Background work whose errors are logged, and closing of iterators."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


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
    """Run `work` in the background; an error in it is a bug, and is logged."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_report)
    return task


def _report(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%r failed", task, exc_info=error)
