"""Waiting for descriptors on the running event loop.

The event loop watches descriptors by `epoll(7)`, which takes kernel memory for each, within a bound
for each user (`fs.epoll.max_user_watches`): to begin to wait can fail with `ENOSPC` or `ENOMEM`.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two tries, for a wait on a descriptor that the event loop cannot watch.
RETRY = 0.01


def read_now(fd: int, size: int) -> bytes | None:
    """Up to `size` bytes, empty at the end; `None` if there are none yet."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None


def write_now(fd: int, data: memoryview) -> int:
    """How many bytes could be written without waiting."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


def watch(
    add: Callable[..., None], fd: int, callback: Callable[..., object], *args: object
) -> None:
    """Have the event loop watch a descriptor.

    Args:
        add: the loop's `add_reader` or `add_writer`.
        fd: the descriptor.
        callback: called with `args` when it is ready.
        *args: for `callback`.

    Raises:
        OSError: the kernel refuses; nothing is watched then.
    """
    try:
        add(fd, callback, *args)
    except OSError as error:
        text = f"the event loop cannot watch one more descriptor: {error.strerror}"
        raise OSError(error.errno, text) from error


async def readable(fd: int, future: asyncio.Future[None] | None = None) -> None:
    """Return when a read would not block.

    Args:
        fd: the descriptor.
        future: by which others may end the wait.

    Raises:
        OSError: see `watch`.
    """
    loop = asyncio.get_running_loop()
    future = future or loop.create_future()
    watch(loop.add_reader, fd, finish, future)
    try:
        await future
    finally:
        loop.remove_reader(fd)


async def writable(fd: int, future: asyncio.Future[None] | None = None) -> None:
    """Return when a write would not block.

    Args:
        fd: the descriptor.
        future: by which others may end the wait.

    Raises:
        OSError: see `watch`.
    """
    loop = asyncio.get_running_loop()
    future = future or loop.create_future()
    watch(loop.add_writer, fd, finish, future)
    try:
        await future
    finally:
        loop.remove_writer(fd)


def finish(future: asyncio.Future[None]) -> None:
    """Wake what waits for a future, if it still waits."""
    if not future.done():
        future.set_result(None)
