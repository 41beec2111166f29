"""An event loop that knows when nothing is left to do."""

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import FileDescriptorLike


class IdleEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a hook for the moment when every task waits and no input is there.

    A loop asks its selector to wait only when no callback is ready, and the selector is what one
    may give to a loop. So this needs nothing private, and idleness is known, not guessed.

    Attributes:
        on_idle: called when nothing can run; it returns whether it changed that. A clock's
            `VirtualClock.jump` makes time skip whatever everybody waits for.
        patience: seconds of real time that pass before that; 0 unless somebody on another
            thread may be about to bring something.
    """

    def __init__(self) -> None:
        super().__init__(_IdleSelector(self))
        self.on_idle: Callable[[], bool] | None = None
        self.patience = 0.0
        self._settling: list[asyncio.Future[None]] = []

    async def settled(self) -> None:
        """Return when nothing else can run."""
        waiter: asyncio.Future[None] = self.create_future()
        self._settling.append(waiter)
        await waiter

    @property
    def watched(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._settling) or self.on_idle is not None

    def idle(self) -> bool:
        """Tell everybody; whether that changed anything."""
        waiters, self._settling = self._settling, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return bool(waiters) or (self.on_idle is not None and self.on_idle())


class _IdleSelector(selectors.BaseSelector):
    """A selector that calls back before it waits."""

    def __init__(self, loop: IdleEventLoop) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = loop

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(
        self, fileobj: "FileDescriptorLike", events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.watched and (timeout is None or timeout > 0):
            patience = self._loop.patience
            ready = self._selector.select(patience if timeout is None else min(timeout, patience))
            if ready or self._loop.idle():
                return ready
        return self._selector.select(timeout)

    def close(self) -> None:
        self._selector.close()

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._selector.get_map()
