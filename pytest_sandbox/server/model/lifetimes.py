"""How long a sandbox lives: its time-out and its idle time-out.

`timeout` counts from the creation. `idle_timeout` counts while a sandbox is idle: no command that
was started by exec is running, nobody writes to standard input, works on a file or watches one,
and no connection goes through a tunnel. What the main process does makes no difference.
(Modal's guide names commands, writes to standard input, and open connections through tunnels:
https://modal.com/docs/guide/sandboxes#idle-timeouts.)
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytest_sandbox._proto import common_pb2
from pytest_sandbox.engine import Clock

from ..async_helpers import start

Status = common_pb2.GenericResult.GenericStatus
TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
IDLE_TIMEOUT = common_pb2.GenericResult.GENERIC_STATUS_IDLE_TIMEOUT


class Lifetime:
    """The two time-outs of one sandbox, on the engine's clock.

    Args:
        clock: the engine's.
        timeout: seconds from now.
        idle_timeout: seconds without activity; `None` for no such limit.
        expire: called with the status of the time-out that came first.
    """

    def __init__(
        self,
        clock: Clock,
        timeout: float,
        idle_timeout: float | None,
        expire: Callable[[Status], None],
    ) -> None:
        self._clock = clock
        self._expire = expire
        self._busy = 0
        self._idle: asyncio.Event | None = None
        self._idle_since = clock.monotonic()
        self._timers = [start(self._wait(timeout))]
        if idle_timeout is not None:
            self._idle = idle = asyncio.Event()
            idle.set()
            self._timers.append(start(self._wait_idle(idle, idle_timeout)))

    def begin_activity(self) -> None:
        """Begin an activity; the sandbox is not idle until the matching `end_activity`."""
        self._busy += 1
        if self._idle is not None:
            self._idle.clear()

    def end_activity(self) -> None:
        """End an activity."""
        self._busy -= 1
        self._idle_since = self._clock.monotonic()
        if self._busy == 0 and self._idle is not None:
            self._idle.set()

    @contextmanager
    def activity(self) -> Iterator[None]:
        """An activity for the length of a `with` block."""
        self.begin_activity()
        try:
            yield
        finally:
            self.end_activity()

    def cancel(self) -> None:
        """Stop both timers: the sandbox has ended."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._expire = _nothing  # it refers to the sandbox, which refers to this

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._expire(TIMEOUT)

    async def _wait_idle(self, idle: asyncio.Event, seconds: float) -> None:
        while True:
            await idle.wait()
            left = self._idle_since + seconds - self._clock.monotonic()
            if left <= 0:
                break
            await self._clock.sleep(left)
        self._expire(IDLE_TIMEOUT)


def _nothing(_: Status) -> None:
    pass
