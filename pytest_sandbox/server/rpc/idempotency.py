"""Calls that create something are answered once per `x-idempotency-key`.

A client repeats a call whose answer was lost, with the same key, so that nothing is created
twice (all attempts of one call carry one key, a UUID). The first attempt runs in a task of its
own, so that a client that goes away in the middle finds the outcome when it comes back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Outcomes remembered; clients repeat within seconds, so older ones are of no use to anyone.
CAPACITY = 4096


class Outcomes(Generic[T]):
    """The outcomes of calls by key, the oldest forgotten first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._tasks: OrderedDict[tuple[str, str], asyncio.Future[T]] = OrderedDict()

    async def once(self, rpc: str, key: str, run: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `run`, which is called at most once per RPC and key.

        A failure is not remembered: the next attempt may do better.
        """
        task = self._tasks.get((rpc, key))
        if task is None:
            task = self._tasks[rpc, key] = asyncio.ensure_future(run())
            task.add_done_callback(lambda done: self._forget_failure(rpc, key, done))
            if len(self._tasks) > self._capacity:
                self._tasks.popitem(last=False)
        return await asyncio.shield(task)

    def _forget_failure(self, rpc: str, key: str, done: "asyncio.Future[T]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._tasks.pop((rpc, key), None)
