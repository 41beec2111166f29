"""Which failed calls are retried, and after how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.rpcs import retry_after

from ..exceptions import Error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox._shared.clock import Clock

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")

#: Statuses of a server, or of a proxy, that do not mean that the request is wrong.
TRANSIENT = frozenset(
    {
        Status.CANCELLED,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNAVAILABLE,
        Status.UNKNOWN,
    }
)

#: Seconds that one call waits at most, in all, because servers ask it to.
THROTTLED = 60.0


@dataclass(frozen=True)
class Backoff:
    """How often a call is repeated, and how long is waited before.

    Attributes:
        retries: attempts after the first.
        first: seconds before the second attempt.
        factor: by which each further wait is longer.
        answers: statuses that are the answer to such a call, and no reason to repeat it.
    """

    retries: int
    first: float
    factor: float = 2.0
    answers: frozenset[Status] = frozenset()

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the attempt with this number, counted from 0."""
        return self.first * self.factor**attempt


#: As Modal's client repeats calls of the control plane, and of the command router.
CONTROL = Backoff(retries=3, first=0.1)
ROUTER = Backoff(retries=10, first=0.01)


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a moment later; translated errors are looked through."""
    error = _untranslated(error)
    if isinstance(error, GRPCError):
        return error.status in TRANSIENT
    return isinstance(error, StreamTerminatedError | asyncio.TimeoutError)


class RetryBudget:
    """How often one call, or one stream, is still repeated.

    Args:
        backoff: for failures that the server does not explain.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._waited = 0.0

    def renew(self) -> None:
        """Data arrived: earlier failures do not count any more."""
        self._failures = 0
        self._waited = 0.0

    def wait(self, error: Exception) -> float | None:
        """Seconds until the next attempt, after one that ended with `error`; `None`: no more.

        A wait that the server asks for does not count as a failure, as with Modal's client; but
        all such waits together must not take longer than `THROTTLED`.
        """
        cause = _untranslated(error)
        if isinstance(cause, GRPCError) and cause.status in self._backoff.answers:
            return None
        told = _told_to_wait(error)
        if told is not None:
            self._waited += told
            return told if self._waited <= THROTTLED else None
        if self._failures >= self._backoff.retries or not is_transient(error):
            return None
        self._failures += 1
        return self._backoff.delay(self._failures - 1)


def _told_to_wait(error: Exception) -> float | None:
    cause = _untranslated(error)
    return retry_after(cause.details) if isinstance(cause, GRPCError) else None


def _untranslated(error: Exception) -> Exception:
    """The error of gRPC; `translated` raises from `None`, so it is the context."""
    if isinstance(error, Error) and isinstance(error.__context__, Exception):
        return error.__context__
    return error


async def retrying(attempt: Callable[[int], Awaitable[T]], backoff: Backoff, clock: Clock) -> T:
    """Call `attempt` with 0, 1, ... until it succeeds or an error is not worth another attempt."""
    budget = RetryBudget(backoff)
    number = 0
    while True:
        try:
            return await attempt(number)
        except Exception as error:
            delay = budget.wait(error)
            if delay is None:
                raise
        await clock.sleep(delay)
        number += 1
