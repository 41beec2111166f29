"""Waiting for something, for a while, on an engine's clock."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pytest_sandbox.engine import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> tuple[T] | None:
    """The result of `work` in a tuple, or `None` if it took longer than that; then it is cancelled.

    Like `asyncio.wait_for`, on any clock.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        return (task.result(),) if task.done() else None
    finally:
        _cancel(task)
        _cancel(timer)


async def settled(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, which goes on to its end even if the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(retrieve)
        raise


@asynccontextmanager
async def closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an iterator at the end, if it is one that can be closed, like a generator."""
    try:
        yield source
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def start(work: Coroutine[Any, Any, Any]) -> "asyncio.Future[Any]":
    """Run `work` beside everything else; a failure of it is a bug, and goes to the log."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_report)
    return task


def _report(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%r failed", task, exc_info=error)


def retrieve(task: "asyncio.Future[Any]") -> None:
    """For a task whose end nobody waits for: its failure is no news."""
    if not task.cancelled():
        task.exception()


def _cancel(task: "asyncio.Future[Any]") -> None:
    if not task.done():
        task.cancel()
        task.add_done_callback(retrieve)
