"""Items of an async generator for callers that may give up waiting, without losing any.

Cancelling `await anext(generator)` throws into the generator and so ends it: what it was about to
give is lost, and every later `anext` finds the end. Here a task of its own, the fetch, awaits the
generator. Callers wait for that task: cancelling them cancels the wait, not the fetch.
What it fetched stays in `ready` until a caller takes it on its own side, behind the last `await`:
a cancellation that comes between receipt and delivery finds the item where it was.

What has come unasked, and is all there is, is offered: a caller takes it without the portal's loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait, ended

from ..exceptions import StreamClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


class Fetching(Generic[T]):
    """Fetches batches of items, and none before it is asked to. On the portal's loop only.

    Args:
        opened: makes the generator. It is called again after an error, which ended the generator,
            and on a new loop, to continue behind the last item that was given.
        name: what is read, for errors.

    Attributes:
        ready: fetched, and not taken yet. Callers take from it on any thread.
        ended: whether nothing more will come.
    """

    def __init__(self, opened: Callable[[], AsyncGenerator[Sequence[T], None]], name: str) -> None:
        self.ready: deque[T] = deque()
        self.ended = False
        self._opened = opened
        self._name = name
        self._closed = self._to_end = self._offers = False
        self._offered: deque[Sequence[T]] = deque()
        self._source: AsyncGenerator[Sequence[T], None] | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None  # when the fetch is

    def offer(self, items: Sequence[T]) -> bool:
        """Have all items there are ready.

        Returns:
            Whether they are: not so if they were offered before, or asked for, perhaps by a fetch
            that has not begun.
        """
        if self.ended or self._offers or self._fetch is not None or self._source is not None:
            return False
        self._offers = True
        self._offered.append(items)
        return True

    def withdraw(self) -> None:
        """Have nothing ready, unless a caller has taken what was offered."""
        if self._takes_offer(deque()):
            self._offers = False

    def is_whole(self) -> bool:
        """Whether all items are ready that were not taken; on any thread."""
        if not self.ended and self._takes_offer(self.ready):
            self.ended = True
        return self.ended

    def _takes_offer(self, into: deque[T]) -> bool:
        """Take what is offered, whichever thread is the first to do so."""
        try:
            # One step for Python: neither an interrupt nor another thread comes in between.
            into.extend(chain.from_iterable(map(deque.popleft, (self._offered,))))
        except IndexError:
            return False
        return True

    async def fill(self, *, to_end: bool = False) -> None:
        """Wait until an item is ready, or with `to_end` until all are.

        Raises:
            StreamClosedError: it was closed meanwhile.
        """
        self._to_end = to_end
        self.ended = self.is_whole() or self._offers
        try:
            while not self.ended and (to_end or not self.ready):
                await self._fetched()
        finally:
            self._to_end = False

    async def _fetched(self) -> None:
        """Wait for the fetch, if there is one, or begin it."""
        loop = asyncio.get_running_loop()
        fetch = self._fetch
        if fetch is None or fetch.get_loop() is not loop:
            if fetch is not None:  # of a loop that has ended, or of the process this one forked off
                self._source = None
            fetch = self._fetch = background(self._fetch_batches())
        self._over = loop.create_future()
        await ended(fetch, self._over)  # unlike `await fetch`, this does not cancel it
        if self._closed:
            raise StreamClosedError(self._name)
        if self._fetch is fetch:
            self._fetch = None  # only now: an error waits for a caller that it can be raised to
        fetch.result()

    async def _fetch_batches(self) -> None:
        """Fetch what a caller waits for, and no further batch once none does."""
        while True:
            if self._source is None:
                self._source = self._opened()
            try:
                batch = await anext(self._source, None)
            except BaseException:
                self._source = None
                raise
            if batch is None:
                self.ended = True
            else:
                self.ready.extend(batch)
            if self.ended or not self._to_end:
                if self._over is not None and not self._over.done():
                    self._over.set_result(None)
                return

    async def aclose(self) -> None:
        """Give up what was not taken, and close the generator; there is nothing more to read."""
        self._closed = self.ended = True
        self.ready.clear()
        self._offered.clear()
        if self._fetch is not None:
            await cancel_and_wait(self._fetch)
        if self._source is not None:
            await self._source.aclose()
