"""How often calls of this process's own are repeated: those of tests are repeated by their client.

As Modal's client repeats its own: https://pypi.org/project/modal.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status

from pytest_sandbox.rpcs import retry_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_TRANSIENT = frozenset(
    {
        Status.CANCELLED,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNAVAILABLE,
        Status.UNKNOWN,
    }
)
_RETRIES = 3
_FIRST = 0.1
#: Seconds that one call waits at most, in all, because servers ask it to.
_THROTTLED = 60.0


async def patient(attempt: Callable[[int], Awaitable[T]]) -> T:
    """Call `attempt` with 0, 1, ... until it succeeds, or an error is not worth another attempt.

    Raises:
        GRPCError: the last one.
    """
    failures = number = 0
    waited = 0.0
    while True:
        try:
            return await attempt(number)
        except GRPCError as error:
            told = retry_after(error.details)
            if told is not None:
                waited += told
                if waited > _THROTTLED:
                    raise
                delay = told
            elif failures < _RETRIES and error.status in _TRANSIENT:
                delay = _FIRST * 2**failures
                failures += 1
            else:
                raise
        number += 1
        await asyncio.sleep(delay)
