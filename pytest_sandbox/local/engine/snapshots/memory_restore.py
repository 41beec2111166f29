"""Creating a sandbox whose processes are restored from a snapshot of their memory."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable, NotFreezable, StoreFull

from ...agents.errors import OperationFailed
from ...protocol.criu import GivenPipe
from ...protocol.wire import close_all

if TYPE_CHECKING:
    from pytest_sandbox.engine import TaskSpec

    from ..factory import Factory
    from ..task import LocalTask
    from .stored_memory import StoredMemory


async def restore(factory: Factory, spec: TaskSpec, stored: StoredMemory) -> LocalTask:
    """Make a sandbox from the snapshot of the files, then have the processes restored in it.

    Args:
        factory: makes sandboxes without a user namespace.
        spec: what is asked for.
        stored: the snapshot; something must depend on it meanwhile.

    Raises:
        NotFreezable: CRIU cannot restore a process.
        EngineUnavailable: the kernel refused it.
        StoreFull: the engine has no descriptors left for it.
    """
    main = stored.main
    wanted = replace(spec, image=stored.files, main=None, freezable=True, resume=None)
    task = await _sandbox(factory, wanted)
    try:
        ends = {} if main is None else await task.resume(main.spec, main.pid)
        await _restore(task, stored, ends)
    except BaseException:
        await asyncio.shield(task.kill())
        raise
    return task


async def _sandbox(factory: Factory, wanted: TaskSpec) -> LocalTask:
    """A sandbox to restore into; one of the pool may have a helper that could not do its part."""
    while True:
        task = await factory.create(wanted)
        if task.restoring is None or not task.restoring.has_failed():
            return task
        await task.kill()


async def _restore(task: LocalTask, stored: StoredMemory, ends: dict[str, int]) -> None:
    """Restore the processes; `ends` are what the main process is to have as its pipes."""
    pipes = {} if stored.main is None else stored.main.pipes
    streams = [
        GivenPipe(inode=pipes[name], place=place)
        for place, name in enumerate(ends)
        if name in pipes
    ]
    try:
        helper = task.restoring or stored.begin_restore(task.snapshotter)
    except OSError as error:
        close_all([*ends.values()])
        raise _no_room(error) from error
    except BaseException:
        close_all([*ends.values()])
        raise
    try:
        masters = await helper.restore(streams, tuple(ends.values()))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise _no_room(error) from error
        raise EngineUnavailable(f"cannot restore the processes: {error}") from error
    except OperationFailed as refusal:
        raise NotFreezable(f"cannot restore the processes: {refusal}") from None
    if masters:
        task.attach_terminal(masters)


def _no_room(error: OSError) -> StoreFull:
    return StoreFull(f"no room for another sandbox: {error.strerror}")
