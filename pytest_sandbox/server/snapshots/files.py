"""Keeping the files of sandboxes as images, whichever way it was asked for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox.engine import StoreFull, Task

from ..async_helpers import start, within
from ..commands.execution import TERMINATED
from ..model.images import Image
from ..model.sandbox import Box
from ..model.state import State

#: Seconds that Modal keeps a snapshot for which no time is given.
DEFAULT_TTL = 30 * 24 * 3600


async def keep_files(state: State, box: Box, ttl: float | None, *, end: bool = False) -> Image:
    """An image of all files; it has the environment, command, ... of the one below.

    Args:
        state: the server's.
        box: the sandbox.
        ttl: seconds that it is kept; `None` for as long as there is room.
        end: end the sandbox with it.

    Raises:
        GRPCError: RESOURCE_EXHAUSTED.
        EngineError: whatever the engine raises.
    """
    with box.lifetime.activity():
        async with box.turn:
            box.check_running()
            task = box.task
            if end:
                box.expect_end(TERMINATED)
            name = await state.shelf.with_room(lambda: _files(task, end=end))
            if end:
                await box.over()
            return state.images.keep(name, box.image, ttl=ttl, below=box.image.kept)


async def _files(task: Task, *, end: bool) -> str:
    try:
        return await task.snapshot(end=end)
    except StoreFull as error:
        if task.poll() is None:
            raise
        raise GRPCError(
            Status.RESOURCE_EXHAUSTED, f"{error}; the sandbox has ended, and its files are gone"
        ) from error


async def keep_directory(state: State, box: Box, path: str, ttl: float | None) -> Image:
    """An image of one directory, to be mounted.

    Raises:
        OSError: as the file operations of the engine have it.
        GRPCError, EngineError: as for all files.
    """
    with box.lifetime.activity():
        async with box.turn:
            box.check_running()
            task = box.task
            name = await state.shelf.with_room(lambda: task.snapshot_directory(path))
            return state.images.keep(name, Image(""), ttl=ttl, directory=True)


async def in_time(
    state: State, seconds: float, keeping: Coroutine[Any, Any, Image]
) -> Image | None:
    """The image, or `None` if it takes longer than that; it is forgotten then when it comes."""
    task = asyncio.ensure_future(keeping)
    in_time = None
    try:
        in_time = await within(state.clock, seconds, _ended(task))
    finally:
        if in_time is None:
            task.add_done_callback(lambda done: _forget(state, done))
    return None if in_time is None else task.result()


async def _ended(task: "asyncio.Future[Image]") -> None:
    await asyncio.wait({task})


def _forget(state: State, done: "asyncio.Future[Image]") -> None:
    if not done.cancelled() and done.exception() is None:
        start(state.shelf.forget(done.result().id))
