"""How much of the machine's memory may be used where no option says so, all in bytes."""

from __future__ import annotations

import os

#: All sandboxes together. Not all memory: the test run beside them needs some.
_TOGETHER = 0.8


def for_one_sandbox() -> int:
    """One sandbox: enough for most tests, and not all that all of them together may have.

    So a sandbox that takes all that it may have is the one that runs out of memory.
    """
    return _machine() // 2


def for_all_sandboxes() -> int:
    """All sandboxes of a zygote together."""
    return int(_machine() * _TOGETHER)


def for_disk() -> int:
    """What a sandbox may write, which lies in memory."""
    return min(2 << 30, _machine() // 4)


def for_snapshots() -> int:
    """All snapshots together."""
    return _machine() // 4


def _machine() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
