"""An event loop that knows when it has nothing to do until something outside happens."""

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from . import real
from .selector import UnboundedSelector

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")

#: Seconds of real time that the loop waits for functions in threads before it counts as idle.
THREADS_IDLE_AFTER = 1.0


class IdleEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a hook for the moment when every task waits and no input is ready.

    An asyncio loop calls its selector with a positive timeout, or none, only when no callback is
    ready to run (`BaseEventLoop._run_once`), and the selector is a documented argument of
    `asyncio.SelectorEventLoop`. So a selector that reports such calls detects idleness exactly,
    without private attributes and without guessing.

    Attributes:
        on_idle: called when nothing can run. Returns whether something can run now. With
            `VirtualClock.jump` of the engine in memory, time skips to the next timer.
        idle_after: seconds of real time without input after which the loop counts as idle. Leave
            it at 0 unless another thread may be about to call into the loop. While functions run
            in the loop's executor it is at least `THREADS_IDLE_AFTER`, because they may do real
            work; one that is still running after that is taken to wait for the clock.
    """

    def __init__(self) -> None:
        super().__init__(_IdleSelector(self))
        self.on_idle: Callable[[], bool] | None = None
        self._idle_after = 0.0
        self._threads = 0
        self._settling: list[asyncio.Future[None]] = []

    #: The time of the loop's timers: the machine's, also where a test has frozen time.
    time = staticmethod(real.monotonic)

    @property
    def idle_after(self) -> float:
        """Seconds of real time without input after which the loop counts as idle."""
        return max(self._idle_after, THREADS_IDLE_AFTER if self._threads else 0.0)

    @idle_after.setter
    def idle_after(self, seconds: float) -> None:
        self._idle_after = seconds

    def run_in_executor(  # type: ignore[override]  # the standard library has no TypeVarTuple yet
        self, executor: "Executor | None", func: "Callable[..., T]", *args: Any
    ) -> "asyncio.Future[T]":
        """Run a function in a thread; `idle_after` is at least `THREADS_IDLE_AFTER` meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, future: "asyncio.Future[Any]") -> None:
        self._threads -= 1

    async def settled(self) -> None:
        """Return once no other task can run."""
        waiter: asyncio.Future[None] = self.create_future()
        self._settling.append(waiter)
        await waiter

    @property
    def watched(self) -> bool:
        """Whether there is anything to call when the loop is idle."""
        return bool(self._settling) or self.on_idle is not None

    def idle(self) -> bool:
        """Wake `settled` and call `on_idle`; return whether something can run now."""
        waiters, self._settling = self._settling, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return bool(waiters) or (self.on_idle is not None and self.on_idle())


class _IdleSelector(UnboundedSelector):
    """A selector that calls `IdleEventLoop.idle` before it waits."""

    def __init__(self, loop: IdleEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and self._loop.watched:
            idle_after = self._loop.idle_after
            if timeout is None or timeout > idle_after:
                ready = self.ask(idle_after)  # also for no time: it is idle only if nothing came
                if ready or self._loop.idle():
                    return ready
        return super().select(timeout)
