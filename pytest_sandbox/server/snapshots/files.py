"""Snapshots of the files of sandboxes, as images."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox._shared.async_tasks import finish, within
from pytest_sandbox.engine import Snapshot, StoreFull, SupportsSnapshots, Task

from ..commands.execution import TERMINATED
from ..model.images import ImageRecord
from ..model.sandbox import ServedSandbox
from ..model.state import State

#: Seconds for which Modal stores a snapshot whose request gives no time to live.
DEFAULT_TTL = 30 * 24 * 3600


async def snapshot_filesystem(
    state: State, sandbox: ServedSandbox, ttl: float | None, *, end: bool = False
) -> ImageRecord:
    """Take a snapshot of all files: an image with the defaults of the sandbox's own image.

    Args:
        state: the server's.
        sandbox: the sandbox.
        ttl: seconds for which the snapshot is stored; `None` for as long as there is room.
        end: end the sandbox too.

    Raises:
        GRPCError: RESOURCE_EXHAUSTED.
        EngineError: whatever the engine raises.
    """
    with sandbox.lifetime.activity():
        async with sandbox.lock:
            sandbox.check_running()
            task = sandbox.task
            if end:
                # Before the engine kills the processes: they are then reported as terminated.
                sandbox.commands.expect_end(TERMINATED)
            taker = SupportsSnapshots.of(task)
            # One whose end is snapshotted anyway is snapshotted now, and ended then.
            ends = end and not sandbox.spec.exit_snapshot
            snapshot = await state.snapshot_store.with_room(lambda: _files(taker, task, end=ends))
            if end:
                if not ends:
                    await task.kill()
                await sandbox.over()
            image = sandbox.image
            return state.images.add_snapshot(snapshot, image, ttl=ttl, depends_on=image.snapshot_id)


async def _files(taker: SupportsSnapshots, task: Task, *, end: bool) -> Snapshot:
    try:
        return await taker.snapshot(end=end)
    except StoreFull as error:
        if task.poll() is None:
            raise
        raise GRPCError(
            Status.RESOURCE_EXHAUSTED, f"{error}; the sandbox has ended, and its files are gone"
        ) from error


async def snapshot_directory(
    state: State, sandbox: ServedSandbox, path: str, ttl: float | None
) -> ImageRecord:
    """Take a snapshot of one directory: an image that can be mounted.

    Raises:
        OSError: as the file operations of the engine raise it.
        GRPCError, EngineError: as `snapshot_filesystem`.
    """
    with sandbox.lifetime.activity():
        async with sandbox.lock:
            sandbox.check_running()
            taker = SupportsSnapshots.of(sandbox.task)
            snapshot = await state.snapshot_store.with_room(lambda: taker.snapshot_directory(path))
            return state.images.add_snapshot(snapshot, ImageRecord(""), ttl=ttl)


async def encrypted_directory(
    state: State, sandbox: ServedSandbox, path: str, key: bytes, ttl: float | None
) -> str:
    """Take a snapshot of one directory that is encrypted before it is stored.

    Unlike others, it is not of one moment: programs go on while the directory is read.

    Returns:
        The id of an image that can be mounted with the key.

    Raises:
        OSError: as the file operations of the engine raise it.
        GRPCError: as `EncryptedSnapshots.add`.
        EngineError: whatever the engine raises.
    """
    with sandbox.lifetime.activity():
        async with sandbox.lock:
            sandbox.check_running()
            return (await state.encrypted.add(sandbox.task.files.pack(path), key, ttl)).id


async def mount_stream(sandbox: ServedSandbox, path: str, stream: AsyncIterator[bytes]) -> None:
    """Mount an empty directory, and have the contents of a tar stream there.

    Raises:
        OSError, EngineError: whatever the engine raises; then nothing is mounted.
    """
    await sandbox.mount(path, None)
    try:
        await sandbox.task.files.unpack(path, stream)
    except BaseException:
        await finish(sandbox.unmount(path))
        raise


async def in_time(
    state: State, seconds: float, taking: Coroutine[Any, Any, ImageRecord]
) -> ImageRecord | None:
    """The image, or `None` if it takes longer; then it is deleted as soon as it is there.

    So it is if the caller is cancelled, also when the image is there and the caller has not had its
    turn yet: `within` would drop it then.
    """

    async def forget(image: ImageRecord | None) -> None:
        if image is not None:
            await state.snapshot_store.forget(image.id)

    async def taken() -> ImageRecord | None:
        try:
            return await within(state.clock, seconds, finish(taking, forget))
        except asyncio.TimeoutError:
            return None

    return await finish(taken(), forget)
