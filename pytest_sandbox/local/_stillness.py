"""Stopping everything in a sandbox for a moment; for PID 1, which does not stop."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time

#: Seconds until a process that waits in the kernel, for a child that is stopped say, counts as
#: stopped too, and until we give up.
_WAITING, _LONGEST = 0.05, 5.0


class Stillness:
    """Between `begin` and `end`, no process of the sandbox but PID 1 runs."""

    def __init__(self) -> None:
        self._leave: set[int] = set()  # stopped before, by whoever

    def begin(self) -> None:
        """Stop all processes, and return when none runs.

        Raises:
            OSError: `EBUSY` if one does not stop; nothing is stopped then.
        """
        self._leave = {pid for pid in _pids() if _states(pid) <= {b"T", b"t"}}
        start = time.monotonic()
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGSTOP)  # all at once: nothing is forked meanwhile
            passed = time.monotonic() - start
            stopped = {b"T", b"t", b"Z", b"X"} | ({b"D"} if passed > _WAITING else set())
            if all(_states(pid) <= stopped for pid in _pids()):
                return
            if passed > _LONGEST:
                self.end()
                raise OSError(errno.EBUSY, "a process of the sandbox cannot be stopped", "")
            time.sleep(0.0002)

    def end(self) -> None:
        """Let all go on that ran before."""
        with contextlib.suppress(ProcessLookupError):
            if not self._leave:
                os.kill(-1, signal.SIGCONT)
                return
        for pid in _pids():
            if pid not in self._leave:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _states(pid: int) -> set[bytes]:
    """The states of a process's threads; empty if it is gone."""
    states = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                states.add(file.read().rpartition(b")")[2].split()[0])
    return states
