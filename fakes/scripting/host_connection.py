"""A connection to a host as the handler of a command sees it."""

import asyncio
import errno
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.async_tasks import within

from .byte_stream import ByteStream

if TYPE_CHECKING:
    from pytest_sandbox.engine import Clock

    from ..processes.connection import End

T = TypeVar("T")


class HostConnection(ByteStream):
    """A connection that `Call.connect` made, with a host at its other end.

    It ends with its command.

    Args:
        end: its end.
        clock: of the engine.
        timeout: seconds on the clock of the engine that a read or a write may take.
    """

    def __init__(self, end: "End", clock: "Clock", timeout: float | None) -> None:
        super().__init__(end)
        self._clock = clock
        self._timeout = timeout

    async def write(self, data: str | bytes) -> None:
        """Send all of `data`; waits while the host does not read.

        Raises:
            TimeoutError: it took longer than the connection's time limit.
            ConnectionError: the host is gone.
        """
        await limited(super().write(data), self._clock, self._timeout)

    def end(self) -> None:
        """Let the host see the end of what is sent; what it sends can still be read."""
        self._end.end()

    async def _receive(self, size: int) -> bytes:
        return await limited(self._end.read(size), self._clock, self._timeout)


async def limited(work: Coroutine[Any, Any, T], clock: "Clock", timeout: float | None) -> T:
    """Await work for at most so many seconds.

    Raises:
        TimeoutError: it took longer.
    """
    if timeout is None:
        return await work
    try:
        return await within(clock, timeout, work)
    except asyncio.TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
