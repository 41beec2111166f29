"""How much of what sandboxes ask for this machine has."""

from __future__ import annotations

import functools
import os


@functools.cache
def processors() -> int:
    """The processors of this machine."""
    # Read once: it is a file of sysfs (get_nprocs(3)), which waits while the kernel makes network
    # interfaces, as it does for each sandbox.
    return os.cpu_count() or 1


@functools.cache
def memory() -> int:
    """The memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
