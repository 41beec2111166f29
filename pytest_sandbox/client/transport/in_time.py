"""Calls with the `timeout` of a caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.async_tasks import within

from ..exceptions import Error
from ..exceptions import TimeoutError as ModalTimeoutError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pytest_sandbox._shared.clock import Clock

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T")


async def in_time(clock: Clock, timeout: float, work: Coroutine[Any, Any, T], what: str) -> T:
    """Await work for at most `timeout` seconds.

    Args:
        clock: of the client.
        timeout: seconds.
        work: what takes long.
        what: its name, for the error.

    Raises:
        TimeoutError: it took longer.
    """
    try:
        return await within(clock, timeout, work)
    except asyncio.TimeoutError:
        raise ModalTimeoutError(f"{what} takes longer than {timeout} seconds") from None
    except Error as error:  # frames of asyncio would only clutter the traceback
        raise error.with_traceback(None) from None
