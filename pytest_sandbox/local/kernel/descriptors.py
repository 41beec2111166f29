"""Closing descriptors in bulk: close_range(2)."""

from __future__ import annotations

from .syscalls import call

_LAST = 0xFFFFFFFF  # the call takes unsigned ints, and this as "all that there are"


def close_all_except(kept: list[int]) -> None:
    """Close all descriptors of this process but those in `kept`.

    Raises:
        OSError: the kernel refused it.
    """
    first = 0
    for fd in sorted(kept):
        _close_range(first, fd - 1)
        first = fd + 1
    _close_range(first, _LAST)


def _close_range(first: int, last: int) -> None:
    if first <= last:
        call("close_range", first, last, 0)
