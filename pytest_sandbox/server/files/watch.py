"""A watch whose events a client fetches in several calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from pytest_sandbox._shared.async_tasks import within
from pytest_sandbox.engine import Clock, TaskEnded, WatchEvent, WatchKind

from ..async_helpers import closing

#: The most events that wait to be fetched; the engine's watch waits while there are that many.
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
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(CAPACITY)
        self._error: Exception | None = None
        self._readers = 0
        self._left = clock.monotonic()
        self._collector = asyncio.ensure_future(self._collect())
        self._collector.add_done_callback(lambda _: self._over(on_end))
        self._limits = [asyncio.ensure_future(self._abandon())]
        if timeout is not None:
            self._limits.append(asyncio.ensure_future(self._expire(timeout)))

    async def fetch(self, deadline: float) -> AsyncIterator[bytes | None]:
        """Events as they come, `None` at the end of the watch; stops at the deadline.

        Raises:
            Exception: whatever the engine's watch raised.
        """
        self._readers += 1
        try:
            while not (self._collector.done() and self._queue.empty()):
                left = deadline - self._clock.monotonic()
                try:
                    event = await within(self._clock, left, self._queue.get())
                except asyncio.TimeoutError:
                    return
                if event is not None:
                    yield event
            if self._error is not None:
                raise self._error
            yield None
        finally:
            self._readers -= 1
            self._left = self._clock.monotonic()

    def cancel(self) -> None:
        """End the watch."""
        self._collector.cancel()

    async def _collect(self) -> None:
        try:
            async with closing(self._events) as events:
                async for event in events:
                    await self._queue.put(_encode(event))
        except TaskEnded:
            pass  # a watch ends with its sandbox, as one that was asked to end
        except Exception as error:  # `fetch` raises it
            self._error = error

    def _over(self, on_end: Callable[[], None]) -> None:
        for limit in self._limits:
            limit.cancel()
        if not self._queue.full():
            self._queue.put_nowait(None)  # wakes a `fetch` that waits
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
