"""Ending the processes of a sandbox whose PID 1 was killed and has not ended yet.

Usually PID 1 ends, and the kernel then kills the others. But to end it needs a processor, for which
busy programs compete.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from ...kernel import namespaces, parent
from .. import priority

#: Seconds after which the others are killed, each time.
_PATIENCE = 0.5
#: How often; the kernel may refuse it, or a program fork faster than it is killed.
_ATTEMPTS = 20


class SecondWall:
    """Watches over those that were killed."""

    def __init__(self) -> None:
        #: By the pid of PID 1: when to act, and how often to try.
        self._dying: dict[int, tuple[float, int]] = {}

    def killed(self, pid: int) -> None:
        """PID 1 of a sandbox was killed."""
        self._dying[pid] = time.monotonic() + _PATIENCE, _ATTEMPTS

    def reaped(self, pid: int) -> None:
        """A process has ended."""
        self._dying.pop(pid, None)

    def act(self) -> float | None:
        """Kill what is overdue; the seconds until this is to be called again, if it is."""
        now = time.monotonic()
        for pid, (when, attempts) in list(self._dying.items()):
            if when > now:
                continue
            _let_end(pid)
            _kill_others(pid)
            if attempts == 1:
                del self._dying[pid]
            else:
                self._dying[pid] = now + _PATIENCE, attempts - 1
        return max(0.0, min(self._dying.values())[0] - now) if self._dying else None


def _let_end(pid: int) -> None:
    """Give a processor to a PID 1 that was killed: it frees memory and mounts as it ends."""
    with contextlib.suppress(OSError):  # the kernel refuses it, or it has ended
        priority.prefer(pid)


def _kill_others(pid: int) -> None:
    """Kill all processes of a pid namespace but its PID 1."""
    zygote = os.getpid()
    try:
        child = os.fork()
    except OSError:
        return
    if child == 0:
        try:
            parent.die_with(zygote)
            priority.hurry()
            _kill_all_seen_from(pid)
        finally:
            os._exit(0)


def _kill_all_seen_from(pid: int) -> None:
    # By one call that no program can outrun by forking: kill(2), pid -1. It does not need to know
    # pids, which may be those of others before the signal is sent. Children enter the namespace,
    # setns(2). They keep ids from outside, so programs can signal neither.
    namespaces.enter(os.pidfd_open(pid), namespaces.CLONE_NEWPID)
    helper = os.fork()
    if helper == 0:
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(helper, 0)
