"""Runs calls that create something once for each `x-idempotency-key`.

A client repeats a call whose response was lost, with the same key, so that nothing is created
twice (all attempts of one call carry one key, a UUID). The first attempt runs in a task of its
own, so that a client that disconnects in the middle finds the outcome when it comes back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from pytest_sandbox._shared.async_tasks import background, be_lasting

from ..model.retention import Retention
from .call import IDEMPOTENCY_KEY, ServedCall
from .handlers import RpcHandler

T = TypeVar("T")

#: Outcomes that are remembered of each RPC. A client repeats a call within seconds, so older ones
#: are of no use; and each RPC has its own, so that many calls of a cheap one, such as a file
#: operation, evict no outcome of a slow one, such as the creation of a sandbox.
CAPACITY = 4096


class Outcomes(Generic[T]):
    """The outcomes of calls by RPC and key; the oldest finished ones are evicted first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._of_rpc: dict[str, _OfRpc[T]] = {}

    def once(self, rpc: str, key: str, run: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """The outcome of `run`, which is called at most once for each RPC and key.

        A failure is not remembered: the next attempt calls `run` again.
        """
        of_rpc = self._of_rpc.get(rpc)
        if of_rpc is None:
            of_rpc = self._of_rpc[rpc] = _OfRpc(self._capacity)
        return of_rpc.outcome(key, run)


def remembering(
    handler: RpcHandler, outcomes: Outcomes[Any]
) -> Callable[[Any, ServedCall], Awaitable[Any]]:
    """A handler, run once for each idempotency key."""

    async def run(request: Any, call: ServedCall) -> tuple[Any, ServedCall]:
        response = await handler.function(request, call)
        call.forget_stream()
        return response, call

    async def remembered(request: Any, call: ServedCall) -> Any:
        key = call.header(IDEMPOTENCY_KEY)
        if not key:
            return await handler.function(request, call)
        response, first = await outcomes.once(handler.rpc, key, lambda: run(request, call))
        if first is not call:
            call.initial_metadata, call.on_lost = first.initial_metadata, first.lose
            call.on_answered = first.answered
            first.lost = False
        return response

    return remembered


class _OfRpc(Generic[T]):
    """The calls of one RPC: those under way, and the newest of those that succeeded."""

    def __init__(self, capacity: int) -> None:
        self._under_way: dict[str, _Attempt] = {}
        self._outcomes: dict[str, T] = {}
        self._succeeded: Retention[str] = Retention(capacity, 0)

    async def outcome(self, key: str, run: Callable[[], Awaitable[T]]) -> T:
        if key in self._outcomes:
            return self._outcomes[key]
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        attempt = self._under_way.get(key)
        if attempt is None:
            attempt = self._under_way[key] = _Attempt(background(self._run(key, run)), [])
        # Not `asyncio.shield`, which hands an outcome on a turn of the event loop later.
        attempt.waiting.append(waiting)
        return await waiting

    async def _run(self, key: str, run: Callable[[], Awaitable[T]]) -> None:
        be_lasting()
        try:
            outcome = await run()
        except BaseException as error:  # also that it was cancelled, or what ends a test
            for waiting in self._under_way.pop(key).waiting:
                if not waiting.done():
                    waiting.set_exception(error)
            if isinstance(error, Exception):
                return
            raise
        self._outcomes[key] = outcome
        for evicted in self._succeeded.add(key, 0):
            del self._outcomes[evicted]
        for waiting in self._under_way.pop(key).waiting:
            if not waiting.done():
                waiting.set_result(outcome)


class _Attempt(NamedTuple):
    """An attempt under way.

    Attributes:
        task: in which it runs, referred to here.
        waiting: for its outcome, in tasks that can be cancelled.
    """

    task: "asyncio.Task[None]"
    waiting: "list[asyncio.Future[Any]]"
