"""A call: a coroutine on the portal's loop, and a caller on another thread or another loop.

The caller may give up at any moment, also when the result is on its way: the coroutine has ended,
and the result waits in a queue, or for a turn of the caller's loop. Cancelling the coroutine has no
effect then. So what a call makes for its caller is `delivered`: it is undone unless the caller has
taken the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pytest_sandbox._shared.async_tasks import retrieve

from .mailbox import mailbox_of
from .undoing import count_as_undo, start_undo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import ModuleType

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")
R = TypeVar("R")

#: Seconds after which a blocked thread looks for signals again: one that comes just before a
#: thread blocks does not wake it.
_ATTENTION = 0.5


class PortalCall(Generic[T]):
    """A coroutine that runs on the portal's loop for a caller elsewhere.

    The caller makes the call, waits for it with `wait` or `arrive`, and after any exception of
    these calls `give_up`:

        call = portal().call(work)
        try:
            return call.wait()
        except BaseException:
            call.give_up()
            raise

    So nothing is lost if an interrupt comes between two of its steps.

    Args:
        work: makes the coroutine, on the loop: an interrupt of this thread can come between
            any two steps, and would drop a coroutine that was made and not passed on yet.
        start_soon: has a function called on the loop; raises an error if that is closed.
        end_soon: the same, but does nothing if it is closed.

    Not a `concurrent.futures.Future`: an interrupt can come while that holds its lock in Python
    code, which then stays locked, for the loop too. A `SimpleQueue` does all of it in C.
    """

    def __init__(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        start_soon: Callable[[Callable[[], None]], object],
        end_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._work = work
        self._start_soon = start_soon
        self._end_soon = end_soon
        self._task: asyncio.Task[None] | None = None
        self._value: T | None = None
        self._error: BaseException | None = None
        self._gave_up = self._delivers = False
        self._undos: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def wait(self) -> T:
        """Run it to its end; blocks."""
        done: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._start(lambda: done.put(True))
        ended = False
        while not ended:
            with contextlib.suppress(queue.Empty):
                ended = done.get(timeout=_ATTENTION)
        return self._result()

    async def arrive(self) -> T:
        """Run it to its end, awaited on any loop of asyncio or trio."""
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            await self._arrival_in_trio(trio)
        else:
            await self._arrival_in_asyncio()
        return self._result()

    def give_up(self) -> None:
        """Cancel it, and undo what it has made; does not wait for that."""
        self._end_soon(self._given_up)

    def _start(self, when_done: Callable[[], object]) -> None:
        def cancelled(_: object) -> None:  # before it began
            self._error = asyncio.CancelledError()
            when_done()

        def start() -> None:
            # In the context of this callback, of which the task gets a copy. Tasks that live
            # longer, such as those of a connection, get one too, and must not hold the call.
            _current.set(weakref.ref(self))
            loop = asyncio.get_running_loop()
            self._task = task = loop.create_task(self._run(self._work, cancelled, when_done))
            del self._work  # else its arguments would live until the loop is done with this
            task.add_done_callback(cancelled)

        self._start_soon(start)

    async def _run(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        cancelled: Callable[[object], None],
        when_done: Callable[[], object],
    ) -> None:
        assert self._task is not None
        # A callback would run in a turn of its own, which the caller would have to wait for: it
        # is told below, and then the loop has nothing to do.
        self._task.remove_done_callback(cancelled)
        try:
            running = work()
            del work
            self._value = await running
        except BaseException as error:
            self._error = error
            # A task that is cancelled would hold the error, the error this call, and this the task.
            if not isinstance(error, Exception | asyncio.CancelledError):
                self._task.add_done_callback(retrieve)
                raise
        finally:
            when_done()

    async def _arrival_in_asyncio(self) -> None:
        loop = asyncio.get_running_loop()
        mailbox = mailbox_of(loop)
        arrived = loop.create_future()

        def arrive() -> None:
            if not arrived.done():
                arrived.set_result(None)

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                mailbox.send(arrive)

        self._start(wake)
        await arrived

    async def _arrival_in_trio(self, trio: ModuleType) -> None:
        token = trio.lowlevel.current_trio_token()
        arrived = trio.Event()

        def wake() -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(arrived.set)

        self._start(wake)
        await arrived.wait()

    def _result(self) -> T:
        # Held here no longer: the error would hold this call, and this call the error.
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._value)
        try:
            raise error
        finally:
            del error

    def _given_up(self) -> None:
        """On the loop, after `start`."""
        if self._task is None:
            self._undo()
        else:
            self._gave_up = True
            if not self._delivers:
                self._task.cancel()
            count_as_undo(self._task)
            self._task.add_done_callback(lambda _: self._undo())

    @property
    def runs_here(self) -> bool:
        """Whether the current task is its own, and not one that it has started."""
        return self._task is asyncio.current_task()

    async def deliver(
        self, work: Awaitable[R], undo: Callable[[R], Coroutine[Any, Any, None]]
    ) -> R:
        """See `delivered`; in its own task, which is not cancelled meanwhile."""
        self._delivers = True
        try:
            made = await work
        finally:
            self._delivers = False
        if self._gave_up:
            start_undo(undo(made))
            raise asyncio.CancelledError
        self.undo_unless_taken(lambda: undo(made))
        return made

    def undo_unless_taken(self, undo: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have a coroutine run if the caller does not take the result; on the loop."""
        self._undos.append(undo)

    def _undo(self) -> None:
        self._error = None
        for undo in reversed(self._undos):
            start_undo(undo())


_current: ContextVar[Callable[[], PortalCall[Any] | None]]
_current = ContextVar("pytest_sandbox_call", default=lambda: None)


async def delivered(work: Awaitable[T], undo: Callable[[T], Coroutine[Any, Any, None]]) -> T:
    """Make something for the caller of the call that this runs in.

    The work runs to its end even if the call is cancelled.

    Args:
        work: makes it.
        undo: takes what was made, unless the caller gets it.
    """
    call = _current.get()()
    if call is not None and call.runs_here:
        return await call.deliver(work, undo)
    making = asyncio.ensure_future(work)
    try:
        made = await asyncio.shield(making)
    except asyncio.CancelledError:
        start_undo(_undone(making, undo))
        raise
    undo_unless_taken(lambda: undo(made))
    return made


async def _undone(
    making: asyncio.Future[T], undo: Callable[[T], Coroutine[Any, Any, None]]
) -> None:
    await undo(await making)


def undo_unless_taken(undo: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have a coroutine run if the caller of this call does not take its result."""
    if (call := _current.get()()) is not None:
        call.undo_unless_taken(undo)
