"""Reading from any thread and any loop, by one caller at a time.

The end of a call, where a result passes to the caller, is on the caller's side and without an
`await`. So an interrupted call has either taken an item, or left it for the next call.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background

from ..exceptions import ConcurrentReadError
from .fetching import Fetching
from .portal import Portal, arrival, portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


class Turn:
    """One call that reads, from its beginning until it has taken what it wants."""

    over = False


class OneReader:
    """Lets one call at a time read, as trio's `ConflictDetector` does, on any thread.

    Args:
        name: what is read, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._turn: Turn | None = None

    def begin(self, turn: Turn) -> None:
        """Begin a turn; its owner sets `over` in a `finally`, so that no interrupt can miss it.

        Raises:
            ConcurrentReadError: another turn is not over.
        """
        with self._lock:
            if self._turn is not None and not self._turn.over:
                raise ConcurrentReadError(self._name)
            self._turn = turn


class Reading(Generic[T]):
    """Takes the items of an async generator on the portal's loop.

    Args:
        opened: makes the generator of batches of items; see `Fetching`.
        name: what is read, for errors.
    """

    def __init__(self, opened: Callable[[], AsyncGenerator[Sequence[T], None]], name: str) -> None:
        self._reader = OneReader(name)
        self._fetching = Fetching(opened, name)
        self._portal: Portal | None = None

    def next(self) -> T:
        """The next item; blocks.

        Raises:
            StopIteration: there is none.
            ConcurrentReadError: another call reads.
            StreamClosedError: it was closed while this call waited.
        """
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not self._fetching.ready:
                self._current_portal().run(self._fetching.fill)
            return self._fetching.ready.popleft()
        except IndexError:
            raise StopIteration from None
        finally:
            turn.over = True

    async def next_aio(self) -> T:
        """The same, awaited; raises `StopAsyncIteration` at the end."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not self._fetching.ready:
                await arrival(self._current_portal().submit(self._fetching.fill))
            return self._fetching.ready.popleft()
        except IndexError:
            raise StopAsyncIteration from None
        finally:
            turn.over = True

    def rest(self) -> list[T]:
        """All items up to the end; blocks."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            self._current_portal().run(lambda: self._fetching.fill(to_end=True))
            return self._all_taken()
        finally:
            turn.over = True

    async def rest_aio(self) -> list[T]:
        """The same, awaited."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            await arrival(self._current_portal().submit(lambda: self._fetching.fill(to_end=True)))
            return self._all_taken()
        finally:
            turn.over = True

    async def aclose(self) -> None:
        """End it, also while a call waits; on the portal's loop."""
        await self._fetching.aclose()

    def _all_taken(self) -> list[T]:
        items = list(self._fetching.ready)
        self._fetching.ready.clear()
        return items

    def _current_portal(self) -> Portal:
        self._portal = portal()
        return self._portal

    def __del__(self) -> None:
        """Close a generator that cannot be read any more: its fetch would hold it forever."""
        if self._portal is not None and not self._fetching.ended:
            fetching = self._fetching
            self._portal.call_soon(lambda: background(fetching.aclose()))
