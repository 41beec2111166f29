"""The limit of memory where there is no cgroup for it: looking, from time to time, and killing.

What grows slowly enough is stopped before the machine is short of memory. What a program holds in
files without a name that no process has mapped, memfd_create(2), is not seen.
"""

from __future__ import annotations

import os
import signal
import time

from ...kernel import process_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..sandbox_record import SandboxRecord

#: Seconds between two looks.
_INTERVAL = 0.25


class MemoryWatch:
    """Kills the largest process of a sandbox that uses more than it may."""

    def __init__(self) -> None:
        self._next = 0.0

    def act(self, alive: Mapping[int, SandboxRecord]) -> float | None:
        """Look, if it is time to; the seconds until this is to be called again, if it is.

        Args:
            alive: the sandboxes, by the pid of PID 1.
        """
        if not alive:
            return None
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            used = _used_on_the_machine()
            for pid, record in alive.items():
                # A sandbox does not use more than all that is used.
                if used is None or used > record.group.limits.memory:
                    _look(pid, record)
        return max(0.0, self._next - now)


def _used_on_the_machine() -> int | None:
    try:
        return process_usage.used_on_the_machine()
    except OSError:
        return None


def _look(agent: int, record: SandboxRecord) -> None:
    limit = record.group.limits.memory
    # What processes share counts for each of them here, which is quick to find out. Only if that
    # is too much, the kernel is asked for the part of each.
    shared = process_usage.held_by_descendants(agent)
    if sum(shared.values()) <= limit:
        return
    parts = {pid: process_usage.part_of(pid, size) for pid, size in shared.items()}
    if sum(parts.values()) > limit and _kill(max(parts, key=lambda pid: parts[pid]), agent):
        record.oom_kills += 1


def _kill(pid: int, agent: int) -> bool:
    """Kill a process, if it still is one of the sandbox."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Asked now that the pid cannot become that of another process.
        if not process_usage.is_below(pid, agent):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False  # it has ended meanwhile
    finally:
        os.close(handle)
    return True
