"""A watch whose events a client fetches in several calls."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import Clock, TaskEnded, TaskLost, WatchEvent, WatchKind

from ..async_helpers import closing

#: The most events that are stored; the engine's watch waits while that many were not sent.
CAPACITY = 4096
#: Seconds after the last fetch until a watch is abandoned.
ABANDONED_AFTER = 60.0

#: Renames, which older clients do not know.
_FOLDED = {
    WatchKind.RENAME: WatchKind.MODIFY,
    WatchKind.RENAME_FROM: WatchKind.MODIFY,
    WatchKind.RENAME_TO: WatchKind.MODIFY,
}


class FileWatch:
    """Collects events until its time is up, or until it is abandoned.

    An event is stored until it was sent, and after that while there is room: a client whose
    connection broke says how many events it has, and gets the next ones again. Modal's clients
    cannot say that. They continue after the last event that was written to their connection.

    Args:
        events: of the engine.
        clock: the engine's.
        timeout: seconds until it ends; `None` for never.
        on_end: called once, when it has ended.
    """

    def __init__(
        self,
        events: AsyncIterator[WatchEvent],
        clock: Clock,
        timeout: float | None,
        on_end: Callable[[], None],
    ) -> None:
        self._events = events
        self._clock = clock
        self._stored: deque[bytes] = deque()
        self._first = 0  # the number of the first stored event
        self._sent = 0  # the number of the first event that was not sent
        self._change = asyncio.Event()
        self._error: Exception | None = None
        self._readers = 0
        self._left = clock.monotonic()
        self._collector = asyncio.ensure_future(self._collect())
        self._collector.add_done_callback(lambda _: self._over(on_end))
        self._limits = [asyncio.ensure_future(self._abandon())]
        if timeout is not None:
            self._limits.append(asyncio.ensure_future(self._expire(timeout)))

    async def fetch(
        self, deadline: float, received: int | None = None
    ) -> AsyncIterator[bytes | None]:
        """Events as they come, `None` at the end of the watch; stops at the deadline.

        Args:
            deadline: on the engine's monotonic clock.
            received: how many events the client has; `None` for all that were sent.

        Raises:
            Exception: whatever the engine's watch raised.
        """
        position = self._sent if received is None else min(received, self._end)
        self._readers += 1
        try:
            while await self._comes(position, deadline):
                position = max(position, self._first)
                yield self._stored[position - self._first]
                position += 1
                self._sent = max(self._sent, position)
                self._notify()
            if not self._collector.done():
                return
            if self._error is not None:
                raise to_raise(self._error)
            yield None
        finally:
            self._readers -= 1
            self._left = self._clock.monotonic()

    def cancel(self) -> None:
        """End the watch."""
        self._collector.cancel()

    @property
    def _end(self) -> int:
        """How many events there were so far."""
        return self._first + len(self._stored)

    async def _comes(self, position: int, deadline: float) -> bool:
        """Wait for an event; `False` if the watch ends or time is up before."""
        while position >= self._end and not self._collector.done():
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return False
            with suppress(asyncio.TimeoutError):
                await within(self._clock, left, self._change.wait())
        return position < self._end

    async def _collect(self) -> None:
        try:
            async with closing(self._events) as events:
                async for event in events:
                    await self._add(_encode(event))
        except TaskLost as error:
            self._error = error
        except TaskEnded:
            pass  # a watch ends with its sandbox, as one that was asked to end
        except Exception as error:  # `fetch` raises it
            self._error = error

    async def _add(self, event: bytes) -> None:
        while self._end - self._sent >= CAPACITY:
            await self._change.wait()
        self._stored.append(event)
        if len(self._stored) > CAPACITY:
            self._stored.popleft()
            self._first += 1
        self._notify()

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _over(self, on_end: Callable[[], None]) -> None:
        for limit in self._limits:
            limit.cancel()
        self._notify()
        on_end()

    async def _expire(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.cancel()

    async def _abandon(self) -> None:
        while True:
            left = self._left + ABANDONED_AFTER - self._clock.monotonic()
            if left <= 0 and not self._readers:
                break
            await self._clock.sleep(left if left > 0 else ABANDONED_AFTER)
        self.cancel()


def _encode(event: WatchEvent) -> bytes:
    """One event; two newlines mark its end for clients."""
    kind = _FOLDED.get(event.kind, event.kind)
    return json.dumps({"event_type": kind.value, "paths": list(event.paths)}).encode() + b"\n\n"
