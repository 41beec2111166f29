"""Calls of Ray, which block, and for whose answer nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.async_tasks import background, retrieve
from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: Seconds that Ray may take to answer a call that has nothing to wait for.
LIMIT = 20.0
#: Seconds that it may take while an earlier call has no answer: clients repeat those that fail.
WHILE_SILENT = 2.0
#: Seconds that it may take for what a run gives back at its end, and then for the last call, which
#: may end a cluster: the engine process has 8 for all.
AT_END, LAST = 2.0, 6.0

T = TypeVar("T")


class RayCalls:
    """Calls Ray on threads of its own, which nobody waits for: Ray may not return.

    Args:
        threads: how many calls can be under way; further ones wait for these, in their own time.
    """

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads = 0
        self._under_way = 0
        # Which have no answer yet, and when they were asked for.
        self._given_up: dict[asyncio.Future[Any], float] = {}
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False

    async def __call__(
        self,
        function: Callable[..., T],
        *args: Any,
        limit: float | None = None,
        late: Callable[[T], Coroutine[Any, Any, None]] | None = None,
        anyway: bool = False,
    ) -> T:
        """What a function of Ray returns.

        Args:
            function: the function.
            args: its arguments.
            limit: seconds that it may take; `LIMIT` if not given.
            late: undoes what it did, if it returns when it was given up; takes its result.
            anyway: whether it is called although it was given up before a thread had time for it.

        Raises:
            EngineUnavailable: it raises something, such as that Ray is gone, or takes too long; or
                this is closed.
        """
        if self._closed:
            raise _over()
        return await self._answer(partial(function, *args), limit, late, anyway=anyway)

    async def _answer(
        self,
        function: Callable[[], T],
        limit: float | None = None,
        late: Callable[[T], Coroutine[Any, Any, None]] | None = None,
        *,
        anyway: bool = False,
        last: bool = False,
    ) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: Exception | None, *, called: bool) -> None:
            self._under_way -= 1
            self._given_up.pop(answer, None)
            if not answer.done():
                answer.set_result(result) if error is None else answer.set_exception(error)
            elif called and error is None and late is not None:
                background(late(result))

        def call() -> None:
            result: Any = None
            failure: Exception | None = _over() if self._closed and not last else None
            called = failure is None and (anyway or not answer.done())
            if called:
                try:
                    result = function()
                except Exception as error:  # Ray raises many kinds
                    failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(partial(settle, result, failure, called=called))

        self._start(call)
        return await self._in_time(answer, LIMIT if limit is None else limit)

    async def _in_time(self, answer: asyncio.Future[T], limit: float) -> T:
        if self._given_up:
            limit = min(limit, WHILE_SILENT)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        answer.add_done_callback(retrieve)
        try:
            # Not `asyncio.wait_for`, in which a cancellation can be lost.
            await asyncio.wait([answer], timeout=limit)
        finally:
            silent = answer.cancel()
        if silent:
            self._given_up[answer] = asked
            seconds = loop.time() - min(self._given_up.values())
            raise EngineUnavailable(
                f"the Ray cluster has not answered for {seconds:.1f} s",
                "Is its head node alive, and reached from this machine? `ray status` says so.",
            )
        try:
            return answer.result()
        except EngineUnavailable:
            raise
        except Exception as error:
            raise EngineUnavailable(f"Ray does not do what it should: {error}") from error

    def _start(self, call: Callable[[], None]) -> None:
        self._under_way += 1
        if self._threads < min(self._under_way, self._most):
            self._threads += 1
            threading.Thread(target=self._work, name="ray-call", daemon=True).start()
        self._calls.put(call)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    async def close(self, last: Callable[[], object] | None = None) -> None:
        """Call nothing any more, not even what was asked for before.

        Threads that have nothing to do end; those that Ray holds end with the process.

        Args:
            last: called after all others. What is called after `ray.shutdown`, connects again.

        Raises:
            EngineUnavailable: as for other calls.
        """
        self._closed = True
        try:
            if last is not None:
                await self._answer(last, LAST, last=True)
        finally:
            for _ in range(self._threads):
                self._calls.put(None)


def _over() -> EngineUnavailable:
    return EngineUnavailable("the connection to the Ray cluster is closed")
