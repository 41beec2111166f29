"""Which processes get a processor first: sched(7), "The nice value"."""

from __future__ import annotations

import contextlib
import os

#: The highest priority that there is.
_HIGHEST = -20


def prefer(pid: int) -> None:
    """Give a process a processor before others, but not what it starts from now on.

    Args:
        pid: of the process, or 0 for the caller.

    Raises:
        OSError: the kernel refused it; it takes CAP_SYS_NICE.
    """
    # The flag first: children that are made in between would keep the priority.
    policy = os.SCHED_OTHER | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(pid, policy, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, pid, _HIGHEST)


def hurry() -> None:
    """Get a processor before others, with all that this process starts, if the kernel lets us."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _HIGHEST)
