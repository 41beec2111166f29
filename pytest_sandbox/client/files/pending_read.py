"""A call that reads: either its caller takes the bytes, or they are there for the next call.

Bytes pass to the caller on its own side, behind the last `await`, so that no cancellation comes in
between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..transport.portal import arrival, portal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class PendingRead:
    """One call that reads.

    Attributes:
        data: the bytes that are the caller's, set on the portal's loop.
        taken: whether the caller has them.
        over: whether the call has ended. If it has, `taken` does not change any more.
    """

    def __init__(self) -> None:
        self.data = b""
        self.taken = False
        self.over = False


def read_blocking(fetch: Callable[[PendingRead], Coroutine[Any, Any, None]]) -> bytes:
    """The bytes that a coroutine of the portal's loop sets; blocks."""
    pending = PendingRead()
    try:
        portal().run(lambda: fetch(pending))
        pending.taken = True
        return pending.data
    finally:
        pending.over = True


async def read_aio(fetch: Callable[[PendingRead], Coroutine[Any, Any, None]]) -> bytes:
    """The same, awaited."""
    pending = PendingRead()
    try:
        await arrival(portal().submit(lambda: fetch(pending)))
        pending.taken = True
        return pending.data
    finally:
        pending.over = True
