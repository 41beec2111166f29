"""Waiting for descriptors on the running event loop."""

from __future__ import annotations

import asyncio
import os


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


async def readable(fd: int) -> None:
    """Return when a read would not block."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _finish, future)
    try:
        await future
    finally:
        loop.remove_reader(fd)


async def writable(fd: int) -> None:
    """Return when a write would not block."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _finish, future)
    try:
        await future
    finally:
        loop.remove_writer(fd)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
