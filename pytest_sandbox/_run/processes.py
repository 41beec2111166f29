"""Processes that are no children of this one: whether they live, and waiting for their end."""

import time

from pytest_sandbox._shared import real

_POLL = 0.005


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22).

    Ids are reused; an id and a start time together name one process. `None` once the process is
    gone or a zombie.
    """
    try:
        stat = real.read_file(f"/proc/{pid}/stat").decode("latin-1")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def wait_until_gone(pid: int, started: str | None, timeout: float) -> bool:
    """Whether a process is gone within so many seconds.

    Args:
        pid: its id.
        started: its `start_time`, taken while it lived.
        timeout: in seconds.
    """
    deadline = real.monotonic() + timeout
    while started is not None and start_time(pid) == started:
        if real.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
