"""What processes used of the processors, wrote, and hold: proc_pid_stat(5), proc_pid_io(5).

The kernel adds what a process used to that of its parent, once the parent has waited for it. So a
process and its descendants have, together, all that was ever used by any of them, except by those
for which a parent did not wait: SIGCHLD in sigaction(2), SA_NOCLDWAIT.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: The part of a second in which times are given.
_TICKS = os.sysconf("SC_CLK_TCK")
#: For how many seconds processes are looked at, so that a crowd of them, which may also leave us
#: little time for that, does not keep others waiting.
_LONGEST = 0.02
#: Places in `/proc/PID/stat` after the name of the program: utime, stime, cutime, cstime.
_TIMES = slice(11, 15)
_KIB = 1024
#: What a process has by itself, or shares with those that it was forked from, or that map the same.
_HELD = ("RssAnon", "RssShmem", "VmSwap")
#: The parts of these that are its own, if all who share something have equal parts of it.
_PARTS = ("Pss_Anon", "Pss_Shmem", "SwapPss")


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
        text = read(f"/proc/{pid}/stat")
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
    return sum(map(of_process, descendants(pid)), start=ProcessUsage())


def descendants(pid: int) -> Iterator[int]:
    """The pids of processes below one; they may end while this goes on.

    Args:
        pid: of the process, which has one thread.
    """
    waiting = _children_of_thread(pid, pid)
    end = time.monotonic() + _LONGEST if waiting else 0.0
    while waiting and time.monotonic() < end:
        child = waiting.pop()
        yield child
        waiting += _children(child)


def written(pid: int) -> int | None:
    """Bytes that a process wrote, and those that it has waited for; also if it is a zombie.

    `None` if the kernel does not count it, or does not tell us: a process that is not dumpable is
    for root of the machine only.
    """
    try:
        text = read(f"/proc/{pid}/io")
    except OSError:
        return None if os.path.exists(f"/proc/{pid}") else 0
    return int(dict(line.split(": ") for line in text.splitlines())["wchar"])


def used_on_the_machine() -> int:
    """Bytes that are in use, and could not be given to others at once: proc_meminfo(5).

    Raises:
        OSError: a container hides it.
    """
    sizes = _sizes(read("/proc/meminfo"))
    swapped = sizes.get("SwapTotal", 0) - sizes.get("SwapFree", 0)
    return sizes["MemTotal"] - sizes["MemAvailable"] + swapped


def held_by_descendants(pid: int) -> dict[int, int]:
    """Bytes that each process below one holds, or shares with others, by pid.

    They are those of proc_pid_status(5).
    """
    return {child: _held(child) for child in descendants(pid)}


def part_of(pid: int, held: int) -> int:
    """The part of a process in what it holds: proc_pid_smaps(5).

    Args:
        pid: of the process.
        held: what it holds, which is all its own if the kernel does not say more.
    """
    try:
        sizes = _sizes(read(f"/proc/{pid}/smaps_rollup"))
    except PermissionError:
        return held
    except OSError:
        return 0  # it is ending, and what it shared belongs to others
    if sizes and not any(name in sizes for name in _PARTS[:2]):  # before Linux 5.2
        return held
    return sum(sizes.get(name, 0) for name in _PARTS)


def _held(pid: int) -> int:
    try:
        sizes = _sizes(read(f"/proc/{pid}/status"))
    except OSError:
        return 0  # it has ended
    return sum(sizes.get(name, 0) for name in _HELD)


def _sizes(text: str) -> dict[str, int]:
    """The lines `NAME: NUMBER kB` of a file."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB":
            found[name] = int(number) * _KIB
    return found


def is_below(pid: int, above: int) -> bool:
    """Whether a process descends from another one, as long as both live."""
    while pid > 1:
        try:
            pid = int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid == above:
            return True
    return False


def _children(pid: int) -> list[int]:
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []  # it has ended
    return [child for thread in threads for child in _children_of_thread(pid, thread)]


def _children_of_thread(pid: int, thread: int) -> list[int]:
    try:
        return [int(child) for child in read(f"/proc/{pid}/task/{thread}/children").split()]
    except OSError:
        return []  # it has ended, or the kernel is built without this list


def read(path: str) -> str:
    """The text of a file of `/proc`.

    Raises:
        OSError: there is none, or the process has ended.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode(errors="replace")
    finally:
        os.close(fd)
