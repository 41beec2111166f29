"""Iterators over an async generator of the portal's loop, blocking and awaited.

They are generators by type, with `close` and `aclose`. Unlike generators, they survive a step
that is interrupted or cancelled: the next step gives what that one was waiting for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.pickling import Unpicklable

from .portal import portal
from .reading import Reading

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn

__tracebackhide__ = True  # a failing test shows the caller's line, not these

R = TypeVar("R")


def _reading(source: AsyncGenerator[R, None], name: str) -> Reading[R]:
    async def batches() -> AsyncGenerator[tuple[R], None]:
        try:
            async for item in source:
                yield (item,)
        finally:
            await source.aclose()

    # Opened again after an error it ends at once, as generators do.
    return Reading(batches, name)


def _itself(item: R) -> R:
    return item


class BlockingIterator(Unpicklable, Generator[R, None, None]):
    """Iterates from a thread.

    Args:
        source: a generator of the portal's loop, which is this one's from now on.
        name: what is iterated over, for errors.
    """

    instead = "iterate here, and pass the items"

    def __init__(self, source: AsyncGenerator[R, None], name: str) -> None:
        self._items = _reading(source, name)

    def __next__(self) -> R:
        return self._items.next(_itself)

    def send(self, value: None, /) -> R:
        """The next item: nothing can be sent."""
        return self._items.next(_itself)

    def throw(
        self, kind: Any, value: Any = None, traceback: TracebackType | None = None
    ) -> NoReturn:
        """Close it, and raise the error."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """End it; there are no more items."""
        portal().run(self._items.aclose)


class AwaitedIterator(Unpicklable, AsyncGenerator[R, None]):
    """Iterates from a task of asyncio or trio.

    Args:
        source: a generator of the portal's loop, which is this one's from now on.
        name: what is iterated over, for errors.
    """

    instead = BlockingIterator.instead

    def __init__(self, source: AsyncGenerator[R, None], name: str) -> None:
        self._items = _reading(source, name)

    async def __anext__(self) -> R:
        return await self._items.next_aio(_itself)

    async def asend(self, value: None, /) -> R:
        """The next item: nothing can be sent."""
        return await self._items.next_aio(_itself)

    async def athrow(
        self, kind: Any, value: Any = None, traceback: TracebackType | None = None
    ) -> NoReturn:
        """Close it, and raise the error."""
        await self.aclose()
        raise kind if value is None else value

    async def aclose(self) -> None:
        """End it; there are no more items."""
        await portal().run_aio(self._items.aclose)
