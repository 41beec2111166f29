"""Errors of the kernel while a snapshot is taken, as errors of the engine's contract."""

from __future__ import annotations

import errno

from pytest_sandbox.engine import StoreFull, TaskEnded

_NO_ROOM = frozenset(
    {errno.ENOSPC, errno.ENOMEM, errno.EAGAIN, errno.EDQUOT, errno.EMFILE, errno.ENFILE}
)


def snapshot_error(error: OSError) -> Exception:
    """What an error means; the error itself if it means nothing special."""
    if error.errno == errno.ESRCH:
        return TaskEnded("the task has ended")
    # EAGAIN, ENOMEM and the others: no process, memory or descriptor for what takes the snapshot.
    if error.errno in _NO_ROOM:
        return no_room(error)
    return error


def no_room(error: OSError) -> StoreFull:
    """There is no room for another snapshot."""
    return StoreFull(f"no room for the snapshot: {error.strerror}")
