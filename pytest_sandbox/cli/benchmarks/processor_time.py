"""Processor time of an engine and of all that it started."""

import contextlib
import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(pid: int) -> float:
    """Processor time of a process and its descendants, those that have ended included.

    What has ended counts in its parent, in ticks of the kernel: 10 ms. A tick that one reading
    lacks is in the next, so a difference over many samples is right.
    """
    return sum(_cpu_seconds(each) for each in (pid, *_descendants(pid)))


def _cpu_seconds(pid: int) -> float:
    """Of a process with all its threads, and of its children that it has waited for."""
    with contextlib.suppress(OSError):
        # cutime and cstime, fields 16 and 17 of proc_pid_stat(5); the name, in brackets, may have
        # spaces.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) / _TICKS
        # The processor clock of another process: its number as in clock_getcpuclockid(3) of glibc,
        # which Python lacks.
        return ended + time.clock_gettime(~pid << 3 | 2)
    return 0.0


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_bytes().split()):
                found += (child, *_descendants(child))
    return found
