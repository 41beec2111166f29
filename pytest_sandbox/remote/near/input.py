"""The standard input of a process on another machine."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.kept_errors import to_raise

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of one part, and of those that are sent and not known to be in the pipe.
PART, AHEAD = 256 * 1024, 2 * 1024 * 1024


class NearInput:
    """Sends input in parts, of which only so many are under way.

    Args:
        order: sends an order to the far side.
    """

    def __init__(self, order: Callable[[pb.Order], None]) -> None:
        self._order = order
        self._sent = 0  # parts
        self._written = 0
        self._closed = False
        self._failure: Exception | None = None
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()

    async def write(self, data: bytes) -> None:
        """Return when all of it is in the pipe.

        Raises:
            BrokenPipeError: it is closed, here or there.
            TaskLost: the session is over.
        """
        view = memoryview(data)
        async with self._writing:
            self._check()
            if self._closed:
                raise BrokenPipeError(errno.EPIPE, "the input was closed")
            for start in range(0, len(view), PART):
                await self._until(self._sent - AHEAD // PART + 1)
                self._order(pb.Order(stdin=bytes(view[start : start + PART])))
                self._sent += 1
            last = self._sent
        await self._until(last)

    async def close(self) -> None:
        """Let the process see its end, after what is being written; once more does nothing."""
        async with self._writing:
            if not self._closed:
                self._closed = True
                self._order(pb.Order(end_stdin=True))

    def written(self, parts: int) -> None:
        """So many parts are in the pipe."""
        self._written = max(self._written, parts)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Nothing more can be written; the first reason counts."""
        if self._failure is None:
            self._failure = error
            self._wake()

    async def _until(self, parts: int) -> None:
        while self._written < parts:
            self._check()
            await self._changed.wait()

    def _check(self) -> None:
        if self._failure is not None:
            raise to_raise(self._failure)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
