"""Which processes take part: those that lease devices, and their children, use them rightly.

A process of another kind on a device, which NVML shows, is somebody who knows of no leases.
"""

from __future__ import annotations

import os

from .lock_folder import lock_folder, open_file
from .ranges import is_locked, try_lock

#: Beyond every other lock of that file: a byte for each pid.
_PIDS = 1 << 41
_QUEUE = "queue"
#: By pid and directory: a fork has to take part by itself.
_OURS: dict[tuple[int, str], int] = {}


def take_part() -> None:
    """Let others know, for as long as this process lives, that it leases devices."""
    pid, folder = os.getpid(), lock_folder()
    if (pid, folder) not in _OURS:
        fd = open_file(_QUEUE)
        try_lock(fd, _PIDS + pid, 1, shared=True)
        _OURS[pid, folder] = fd


def stranger(pids: list[int]) -> str:
    """The first of some processes that does not take part, for people to read; empty if all do.

    Processes that are not in our pid namespace do not count: who they are cannot be known.
    """
    if not pids:
        return ""
    fd = open_file(_QUEUE)
    try:
        for pid in pids:
            if os.path.exists(f"/proc/{pid}") and not _takes_part(pid, fd):
                return f"pid {pid} ({_name(pid)}), which holds no lease"
    finally:
        os.close(fd)
    return ""


def _takes_part(pid: int, fd: int) -> bool:
    while pid > 1:
        if pid == os.getpid() or is_locked(fd, _PIDS + pid, 1):
            return True
        pid = _parent(pid)
    return False


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in parentheses, may contain anything: proc(5).
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "ended"
