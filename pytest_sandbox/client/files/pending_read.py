"""A call that reads: either its caller takes the bytes, or they are there for the next call.

Bytes pass to the caller on its own side, decoded and behind the last `await`, so that neither a
cancellation nor an interrupt comes in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

__tracebackhide__ = True  # a failing test shows the caller's line, not these


T = TypeVar("T")


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

    def take(self, decode: Callable[[bytes], T]) -> T:
        """Take the bytes, decoded; an interrupt in `decode` leaves them.

        Raises:
            UnicodeDecodeError: they are not UTF-8; its `object` has them, so they are taken.
        """
        try:
            decoded = decode(self.data)
        except UnicodeDecodeError:
            self.taken = True
            raise
        self.taken = True  # last, and no call: Python runs no handler of a signal behind it
        return decoded


def read_blocking(
    fetch: Callable[[PendingRead], Coroutine[Any, Any, None]], decode: Callable[[bytes], T]
) -> T:
    """The bytes that a coroutine of the portal's loop sets, decoded; blocks."""
    pending = PendingRead()
    try:
        portal().run(lambda: fetch(pending))
        return pending.take(decode)
    finally:
        pending.over = True


async def read_aio(
    fetch: Callable[[PendingRead], Coroutine[Any, Any, None]], decode: Callable[[bytes], T]
) -> T:
    """The same, awaited."""
    pending = PendingRead()
    try:
        await portal().run_aio(lambda: fetch(pending))
        return pending.take(decode)
    finally:
        pending.over = True
