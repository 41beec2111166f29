"""One event loop on one thread, where everything of the client happens.

Blocking calls hand a coroutine over and wait; `.aio` calls await it from whatever loop they are
on: asyncio's, any number of them, or trio's.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import socket
import threading
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.idle_loop import IdleEventLoop

from .blocked_sockets import blocked_socket_error
from .mailbox import Mailbox
from .portal_call import PortalCall
from .undoing import finish_undos

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from .server import Server

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: Seconds that the end of the interpreter waits for connections to be closed, and before that for
#: what was given up to be undone.
_CLOSE_TIMEOUT = 2.0
_UNDO_TIMEOUT = 2.0
#: Seconds that another loop has for its next call before it counts as idle.
_IDLE_AFTER = 0.002
#: The same for a client of another kind, such as Modal's, on a loop or in a process of its own.
_OTHERS_IDLE_AFTER = 0.05


class _UnderWay:
    """A call in the context of all that it runs, some of which may go on when it is over."""

    over = False


_call: ContextVar[_UnderWay | None] = ContextVar("pytest_sandbox_under_way", default=None)


class Portal:
    """An event loop on a daemon thread.

    Attributes:
        idlers: called, the newest first, when calls are under way and the loop has nothing to
            do; each returns whether it made something ready to run.
    """

    def __init__(self) -> None:
        self._loop = IdleEventLoop()
        self._mailbox = Mailbox(self._loop)
        self._pid = os.getpid()
        self._closers: list[Callable[[], None]] = []
        self._for_next_call: deque[Callable[[], object]] = deque()
        self._calls = 0  # calls under way; used on the loop only, like the next
        self._awaited = 0  # of those, the ones from other loops
        self._watches = 0
        self._servers: dict[_UnderWay, Server] = {}  # that they wait for; the latest of each
        self.idlers: list[Callable[[], bool]] = []
        self._thread = threading.Thread(target=self._serve, name="pytest-sandbox", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop; cancelling the future cancels it.

        Args:
            work: makes the coroutine, on the loop. If the call is cancelled before that, there is
                no coroutine, and so none that was never awaited.
        """
        return asyncio.run_coroutine_threadsafe(self._counted(work), self._loop)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the loop and block until it is done.

        A `KeyboardInterrupt` here cancels it there.

        Args:
            work: makes the coroutine, on the loop.
        """
        call = self.call(work, blocking=True)
        try:
            return call.wait()
        except BaseException:
            call.give_up()
            raise

    async def run_aio(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The same, awaited, on any loop of asyncio or trio.

        Being cancelled here cancels it there.
        """
        call = self.call(work)
        try:
            return await call.arrive()
        except BaseException:
            call.give_up()
            raise

    def call(
        self, work: Callable[[], Coroutine[Any, Any, T]], *, blocking: bool = False
    ) -> PortalCall[T]:
        """A call that is not begun.

        Args:
            work: makes the coroutine, on the loop.
            blocking: whether the caller blocks its thread.

        Raises:
            RuntimeError: that is the thread of the loop.
        """
        if blocking and threading.current_thread() is self._thread:
            raise RuntimeError(
                "a blocking call was made on the thread that would have to serve it; "
                "await its .aio form"
            )
        return PortalCall(
            lambda: self._counted(work, blocking=blocking),
            # Who blocks makes one call at a time, and may be interrupted at any step.
            self._loop.call_soon_threadsafe if blocking else self._mailbox.send,
            self.call_soon,
        )

    async def _counted(
        self, work: Callable[[], Coroutine[Any, Any, T]], *, blocking: bool = False
    ) -> T:
        while self._for_next_call:
            self._for_next_call.popleft()()
        this = _UnderWay()
        _call.set(this)  # in the context of this task, which runs nothing else
        self._count(1, blocking)
        try:
            return await work()
        finally:
            this.over = True
            self._servers.pop(this, None)
            self._count(-1, blocking)

    def wait_for(self, server: Server) -> None:
        """Say that the call in whose context this is waits for a server, until it is over."""
        this = _call.get()
        if this is not None and not this.over:
            self._servers[this] = server

    @property
    def waited_for(self) -> Collection[Server]:
        """The servers that calls wait for."""
        return set(self._servers.values())

    @property
    def busy(self) -> bool:
        """Whether calls are under way."""
        return self._calls > 0

    def watch(self, change: int) -> None:
        """Call the idlers also while no call of this client is under way, as others make some.

        Args:
            change: 1 to begin, -1 to end.
        """
        self._watches += change
        self._count(0, blocking=True)

    def _count(self, change: int, blocking: bool) -> None:
        self._calls += change
        self._awaited += 0 if blocking else change
        # A blocked thread makes no more calls. Another loop that awaits one may make others.
        idle_after = _IDLE_AFTER if self._awaited else 0.0
        self._loop.idle_after = _OTHERS_IDLE_AFTER if self._watches else idle_after
        watched = self.idlers and (self._calls or self._watches)
        self._loop.on_idle = self._idle if watched else None

    def _idle(self) -> bool:
        idle = any(idler() for idler in reversed(self.idlers))
        if self._watches and not idle:
            # Nothing wakes the loop when other clients begin to wait for it: look again.
            self._loop.call_later(_OTHERS_IDLE_AFTER, bool)
        return idle

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have a function called on the loop, from any thread.

        Nothing happens once the loop is closed, or in a fork, whose copy of the loop does not run.
        """
        if self._pid == os.getpid():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks with it
                self._loop.call_soon_threadsafe(function)

    def call_with_next(self, function: Callable[[], object]) -> None:
        """Have a function called on the loop when the next call begins, from any thread.

        For what nobody waits for: to wake the loop costs more than most that it would do.
        """
        self._for_next_call.append(function)

    def at_close(self, closer: Callable[[], None]) -> Callable[[], None]:
        """Have a function called on the loop before it ends; the result undoes that."""
        self._closers.append(closer)

        def undo() -> None:
            if closer in self._closers:
                self._closers.remove(closer)

        return undo

    def close(self) -> None:
        """End the loop and its thread, once what was given up is undone.

        That is waited for a moment only: the server may be gone.
        """
        with contextlib.suppress(concurrent.futures.TimeoutError):
            self.submit(self._end_all).result(_UNDO_TIMEOUT + _CLOSE_TIMEOUT)
        self.call_soon(self._loop.stop)
        self._thread.join(_CLOSE_TIMEOUT)

    async def _end_all(self) -> None:
        await finish_undos(_UNDO_TIMEOUT)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for closer in list(self._closers):
            closer()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


_current: Portal | None = None
_lock = threading.Lock()
#: Portals of processes that this one was forked from: never to be touched, or even freed, as
#: their loops watch descriptors that parent and child share.
_inherited: list[Portal] = []


def portal() -> Portal:
    """The portal of this process, started by the first call."""
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                _current = _opened()
    return _current


def _opened() -> Portal:
    try:
        # Tried first: an event loop that has failed to make its own pair warns when it is freed.
        socket.socket(socket.AF_UNIX).close()
    except (RuntimeError, Warning) as error:
        raise blocked_socket_error(error) or error from None
    return Portal()


def close_portal() -> None:
    """End the portal of this process; the next call starts another."""
    global _current
    with _lock:
        ended, _current = _current, None
    if ended is not None:
        ended.close()


def _after_fork() -> None:
    """Threads do not survive a fork: the child starts its own when it needs one."""
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _inherited.append(_current)
        _current = None


os.register_at_fork(after_in_child=_after_fork)
atexit.register(close_portal)
