"""An event loop that knows when nothing is left to do."""

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike
    from typing_extensions import TypeVarTuple, Unpack

    Ts = TypeVarTuple("Ts")

T = TypeVar("T")

#: Seconds that functions in threads have before time skips.
_THREADS_PATIENCE = 1.0


class IdleEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a hook for the moment when every task waits and no input is there.

    A loop asks its selector to wait only when no callback is ready, and the selector is what one
    may give to a loop. So this needs nothing private, and idleness is known, not guessed.

    Attributes:
        on_idle: called when nothing can run; it returns whether it changed that. A clock's
            `VirtualClock.jump` makes time skip whatever everybody waits for.
        patience: seconds of real time that pass before that; 0 unless somebody on another
            thread may be about to bring something. While functions run in threads of the loop it
            is a second at least: they work on something real, or else they wait as everybody does.
    """

    def __init__(self) -> None:
        super().__init__(_IdleSelector(self))
        self.on_idle: Callable[[], bool] | None = None
        self._patience = 0.0
        self._threads = 0
        self._settling: list[asyncio.Future[None]] = []

    @property
    def patience(self) -> float:
        """Seconds of real time that pass before it counts as idle."""
        return max(self._patience, _THREADS_PATIENCE if self._threads else 0.0)

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._patience = seconds

    def run_in_executor(
        self, executor: "Executor | None", func: "Callable[[Unpack[Ts]], T]", *args: "Unpack[Ts]"
    ) -> "asyncio.Future[T]":
        """Run a function in a thread; while it runs, the loop is not idle at once."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, future: "asyncio.Future[Any]") -> None:
        self._threads -= 1

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
            if timeout is None or timeout > patience:
                ready = self._selector.select(patience)
                if ready or self._loop.idle():
                    return ready
        return self._selector.select(timeout)

    def close(self) -> None:
        self._selector.close()

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._selector.get_map()
