"""Descriptors: closing them in bulk, close_range(2), and whether there is room for more."""

from __future__ import annotations

import os

from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

_LAST = 0xFFFFFFFF  # the call takes unsigned ints, and this as "all that there are"


def close_all_except(kept: list[int], calls: PreparedCalls = NOW) -> None:
    """Close all descriptors of this process but those in `kept`.

    Raises:
        OSError: the kernel refused it.
    """
    first = 0
    for fd in sorted(kept):
        _close_range(first, fd - 1, calls)
        first = fd + 1
    _close_range(first, _LAST, calls)


def check_room(fd: int, count: int) -> None:
    """Refuse to go on where more descriptors could not be received: those would be lost.

    Args:
        fd: any that is open.
        count: how many more there will be.

    Raises:
        OSError: there is no room.
    """
    copies: list[int] = []
    try:
        copies.extend(os.dup(fd) for _ in range(count))
    finally:
        for copy in copies:
            os.close(copy)


def _close_range(first: int, last: int, calls: PreparedCalls) -> None:
    if first <= last:
        calls.add_number("close_range", first, last, 0)
