"""Keeping the files of sandboxes as images, whichever way it was asked for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox._shared.async_tasks import finish, within
from pytest_sandbox.engine import Snapshot, StoreFull, SupportsSnapshots, Task

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
            taker = SupportsSnapshots.of(task)
            if end:
                box.expect_end(TERMINATED)
            snapshot = await state.shelf.with_room(lambda: _files(taker, task, end=end))
            if end:
                await box.over()
            return state.images.keep(snapshot, box.image, ttl=ttl, below=box.image.kept)


async def _files(taker: SupportsSnapshots, task: Task, *, end: bool) -> Snapshot:
    try:
        return await taker.snapshot(end=end)
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
            taker = SupportsSnapshots.of(box.task)
            snapshot = await state.shelf.with_room(lambda: taker.snapshot_directory(path))
            return state.images.keep(snapshot, Image(""), ttl=ttl)


async def in_time(
    state: State, seconds: float, keeping: Coroutine[Any, Any, Image]
) -> Image | None:
    """The image, or `None` if it takes longer than that; it is forgotten then when it comes."""
    try:
        return await within(
            state.clock, seconds, finish(keeping, lambda image: state.shelf.forget(image.id))
        )
    except asyncio.TimeoutError:
        return None
