"""Stopping everything in a sandbox for a moment; for PID 1, which does not stop."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time

#: Seconds until a process that waits in the kernel, for a child that is stopped say, counts as
#: stopped too, and until we give up.
_STILL_TIMEOUT, _PAUSE_TIMEOUT = 0.05, 20.0
_STEP = 0.0002


# Not by freezing a cgroup: not every machine has one for us, and a process that a version 1 freezer
# holds does not die of SIGKILL (measured on Linux 6.18).
class SandboxPause:
    """Between `begin` and `end`, no process of the sandbox but PID 1 runs.

    Attributes:
        stopped_before: pids of processes that were stopped before the pause.
        holds: whether all are stopped now.
    """

    def __init__(self) -> None:
        self.stopped_before: set[int] = set()
        self.holds = False

    def begin(self, *, strictly: bool) -> None:
        """Stop all processes, and return when none runs.

        Args:
            strictly: whether one that waits in the kernel must get out of there first.

        Raises:
            OSError: `EBUSY` if one does not stop; nothing is stopped then.
        """
        self.stopped_before = {pid for pid in _pids() if _is_stopped(pid)}
        deadline = time.monotonic() + _PAUSE_TIMEOUT
        while time.monotonic() < deadline:
            self._signal(signal.SIGSTOP)
            if _are_still(strictly=strictly):
                self.holds = True
                return
            # A process in vfork(2) cannot stop until its child has run another program or ended,
            # and a stopped child does neither. So resume all, and try again.
            self.end()
            time.sleep(_STEP)
        raise OSError(errno.EBUSY, "a process of the sandbox cannot be stopped", "")

    def end(self) -> None:
        """Resume all that ran before."""
        self._signal(signal.SIGCONT)
        self.holds = False

    def _signal(self, number: int) -> None:
        """Signal all processes but those that had been stopped before the pause.

        A second SIGSTOP would stay pending, and stop such a process again as soon as CRIU, or a
        restored copy, lets it run.
        """
        # If there are none, all at once: nothing is forked meanwhile.
        spared = self.stopped_before
        for pid in [pid for pid in _pids() if pid not in spared] if spared else [-1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _are_still(*, strictly: bool) -> bool:
    """Wait until all processes have stopped, but not for ever; whether they have."""
    # Stopped by a signal or by a tracer, or dead: proc_pid_stat(5), field 3.
    stopped = {b"T", b"t", b"Z", b"X"}
    deadline = time.monotonic() + _STILL_TIMEOUT
    while any(_states(pid) - stopped for pid in _pids()):
        if time.monotonic() > deadline:
            return not strictly and all(_states(pid) <= {*stopped, b"D"} for pid in _pids())
        time.sleep(_STEP)
    return True


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _is_stopped(pid: int) -> bool:
    # One that is gone has no states, and is not spared: its number may be another's any moment.
    states = _states(pid)
    return bool(states) and states <= {b"T", b"t"}


def _states(pid: int) -> set[bytes]:
    """The states of a process's threads; empty if it is gone."""
    # Of each thread: a signal stops the threads of a process one after the other.
    states = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                states.add(file.read().rpartition(b")")[2].split()[0])
    return states
