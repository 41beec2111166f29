"""Which failures of a call are worth another attempt, and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from .exceptions import Error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: Statuses with which a server, or what is between, says that nothing is wrong with the request.
TRANSIENT = frozenset(
    {
        Status.CANCELLED,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNAVAILABLE,
        Status.UNKNOWN,
    }
)


@dataclass(frozen=True)
class Backoff:
    """How often a call is repeated, and how long is waited before.

    Attributes:
        retries: attempts after the first.
        first: seconds before the second attempt.
        factor: by which each further wait is longer.
    """

    retries: int
    first: float
    factor: float = 2.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the attempt with this number, counted from 0."""
        return self.first * self.factor**attempt


#: As Modal's client repeats calls of the control plane, and of the command router.
CONTROL = Backoff(retries=3, first=0.1)
ROUTER = Backoff(retries=10, first=0.01)


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a moment later; translated errors are looked through."""
    if isinstance(error, Error) and isinstance(error.__context__, Exception):
        error = error.__context__
    if isinstance(error, GRPCError):
        return error.status in TRANSIENT
    return isinstance(error, StreamTerminatedError | asyncio.TimeoutError)


async def retrying(attempt: Callable[[int], Awaitable[T]], backoff: Backoff) -> T:
    """Call `attempt` with 0, 1, ... until it succeeds, fails for good, or was tried enough."""
    number = 0
    while True:
        try:
            return await attempt(number)
        except Exception as error:
            if number >= backoff.retries or not is_transient(error):
                raise
        await asyncio.sleep(backoff.delay(number))
        number += 1
