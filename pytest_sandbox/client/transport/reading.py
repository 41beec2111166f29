"""Reading from any thread and any loop, by one caller at a time.

The end of a call, where a result passes to the caller, is on the caller's side and without an
`await`, and an item is decoded before it is taken. So an interrupted call has either taken an item,
or left it for the next call.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background

from ..exceptions import ConcurrentReadError
from .fetching import Fetching
from .portal import Portal, portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")
R = TypeVar("R")


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

    def next(self, decode: Callable[[T], R]) -> R:
        """The next item, decoded; blocks.

        Raises:
            UnicodeDecodeError: the item is not UTF-8; the error has it, so it is taken.
            StopIteration: there is none.
            ConcurrentReadError: another call reads.
            StreamClosedError: it was closed while this call waited.
        """
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not (self._fetching.ready or self._fetching.is_whole()):
                self._current_portal().run(self._fetching.fill)
            return self._first_taken(decode)
        except IndexError:
            raise StopIteration from None
        finally:
            turn.over = True

    async def next_aio(self, decode: Callable[[T], R]) -> R:
        """The same, awaited; raises `StopAsyncIteration` at the end."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not (self._fetching.ready or self._fetching.is_whole()):
                await self._current_portal().run_aio(self._fetching.fill)
            return self._first_taken(decode)
        except IndexError:
            raise StopAsyncIteration from None
        finally:
            turn.over = True

    def rest(self, decode: Callable[[list[T]], R]) -> R:
        """All items up to the end, decoded together; blocks."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not self._fetching.is_whole():
                self._current_portal().run(lambda: self._fetching.fill(to_end=True))
            return self._all_taken(decode)
        finally:
            turn.over = True

    async def rest_aio(self, decode: Callable[[list[T]], R]) -> R:
        """The same, awaited."""
        turn = Turn()
        try:
            self._reader.begin(turn)
            if not self._fetching.is_whole():
                await self._current_portal().run_aio(lambda: self._fetching.fill(to_end=True))
            return self._all_taken(decode)
        finally:
            turn.over = True

    def offer(self, items: Sequence[T]) -> bool:
        """Have all items there are ready, unless some were asked for; on the portal's loop.

        Returns:
            Whether they are.
        """
        return self._fetching.offer(items)

    def withdraw(self) -> None:
        """Take that back, unless one was taken; on the portal's loop."""
        self._fetching.withdraw()

    async def aclose(self) -> None:
        """End it, also while a call waits; on the portal's loop."""
        await self._fetching.aclose()

    # Items are taken by the last statement, and without a call: Python runs no handler of a signal
    # behind it.

    def _first_taken(self, decode: Callable[[T], R]) -> R:
        ready = self._fetching.ready
        try:
            decoded = decode(ready[0])
        except UnicodeDecodeError:
            del ready[0]
            raise
        del ready[0]
        return decoded

    def _all_taken(self, decode: Callable[[list[T]], R]) -> R:
        none: deque[T] = deque()
        try:
            decoded = decode(list(self._fetching.ready))
        except UnicodeDecodeError:
            self._fetching.ready = none
            raise
        self._fetching.ready = none
        return decoded

    def _current_portal(self) -> Portal:
        self._portal = portal()
        return self._portal

    def __del__(self) -> None:
        """Close a generator that cannot be read any more: its fetch would hold it forever."""
        if self._portal is not None and not self._fetching.ended:
            fetching = self._fetching
            self._portal.call_soon(lambda: background(fetching.aclose()))
