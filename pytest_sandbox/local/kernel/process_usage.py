"""What processes used of the processors, and wrote: proc_pid_stat(5), proc_pid_io(5).

The kernel adds what a process used to that of its parent, once the parent has waited for it. So a
process and its descendants have, together, all that was ever used by any of them, except by those
for which a parent did not wait: SIGCHLD in sigaction(2), SA_NOCLDWAIT.
"""

from __future__ import annotations

import os
import time

#: The part of a second in which times are given.
_TICKS = os.sysconf("SC_CLK_TCK")
#: For how many seconds processes are looked at, so that a crowd of them, which may also leave us
#: little time for that, does not keep others waiting.
_LONGEST = 0.02
#: Places in `/proc/PID/stat` after the name of the program: utime, stime, cutime, cstime.
_TIMES = slice(11, 15)


class ProcessUsage:
    """What one or several processes used.

    Attributes:
        cpu_seconds: time on processors.
        written: bytes passed to `write(2)` and its like; `None` if the kernel does not tell us.
    """

    def __init__(self, cpu_seconds: float = 0.0, written: int | None = 0) -> None:
        self.cpu_seconds = cpu_seconds
        self.written = written

    def __add__(self, other: ProcessUsage) -> ProcessUsage:
        """What both used."""
        both = None
        if self.written is not None and other.written is not None:
            both = self.written + other.written
        return ProcessUsage(self.cpu_seconds + other.cpu_seconds, both)


def of_process(pid: int) -> ProcessUsage:
    """What a process used, and those that it has waited for; nothing if there is none."""
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return ProcessUsage()
    # The name of the program is in parentheses, and may contain others.
    fields = text.rpartition(")")[2].split()
    return ProcessUsage(sum(map(int, fields[_TIMES])) / _TICKS, written(pid))


def of_descendants(pid: int) -> ProcessUsage:
    """What those used that live below a process, and whose end it has not noticed yet.

    Args:
        pid: of the process, which has one thread.
    """
    total = ProcessUsage()
    waiting = _children_of_thread(pid, pid)
    end = time.monotonic() + _LONGEST if waiting else 0.0
    while waiting and time.monotonic() < end:
        child = waiting.pop()
        total += of_process(child)
        waiting += _children(child)
    return total


def written(pid: int) -> int | None:
    """Bytes that a process wrote, and those that it has waited for; also if it is a zombie.

    `None` if the kernel does not count it, or does not tell us: a process that is not dumpable is
    for root of the machine only.
    """
    try:
        text = _read(f"/proc/{pid}/io")
    except OSError:
        return None if os.path.exists(f"/proc/{pid}") else 0
    return int(dict(line.split(": ") for line in text.splitlines())["wchar"])


def _children(pid: int) -> list[int]:
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []  # it has ended
    return [child for thread in threads for child in _children_of_thread(pid, thread)]


def _children_of_thread(pid: int, thread: int) -> list[int]:
    try:
        return [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
    except OSError:
        return []  # it has ended, or the kernel is built without this list


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode(errors="replace")
    finally:
        os.close(fd)
