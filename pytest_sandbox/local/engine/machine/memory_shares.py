"""How much of the machine's memory may be used where no option says so, all in bytes."""

from __future__ import annotations

import contextlib
import functools
import os

from pytest_sandbox.local.kernel.cgroups import mounted
from pytest_sandbox.local.kernel.cgroups.limits import MEMORY_FILE

#: All sandboxes together. Not all memory: the test run beside them needs some.
_TOGETHER = 0.8
#: What is left of the memory is little if it is less than this part of it.
_LEAST = 16


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


def are_used_up() -> bool:
    """Whether so little is left that nothing should be kept which could be done without."""
    with contextlib.suppress(OSError), open("/proc/meminfo") as file:
        for line in file:
            name, _, text = line.partition(":")
            if name == "MemAvailable":
                return int(text.split()[0]) * 1024 < _machine() // _LEAST
    return False


@functools.cache
def _machine() -> int:
    """The machine's memory, or what the container has of it that we are in."""
    bounds = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError):  # `/proc` of another pid namespace, say
        for hierarchy in mounted.find(("memory",)):
            name = MEMORY_FILE[hierarchy.version]
            bounds += [_bound(f"{folder}/{name}") for folder in hierarchy.folders]
    return min(bound for bound in bounds if bound)


def _bound(path: str) -> int:
    """The bound of a group; 0 if there is none."""
    try:
        with open(path) as file:
            text = file.read().strip()
    except OSError:  # the root of version 2 has no such file
        return 0
    return int(text) if text.isdigit() else 0  # else "max"
