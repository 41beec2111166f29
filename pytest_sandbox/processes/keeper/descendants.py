"""Ending all processes that descend from this one, which has adopted their orphans.

A process cannot leave its ancestors: a daemon, whose parent has ended, becomes a child of the
closest ancestor that adopts orphans, `PR_SET_CHILD_SUBREAPER` of prctl(2).
"""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def end_descendants(spared: Collection[int] = (), reap: Callable[[], object] | None = None) -> None:
    """Kill all descendants but some children, and return when none is left.

    Args:
        spared: pids of children that go on, with their own descendants.
        reap: collects dead children; by default, whichever there are.
    """
    while True:
        (reap or _reap)()
        strays = [pid for pid in children(os.getpid()) if pid not in spared]
        if not strays:
            return
        _end_trees(strays)
        # What dies is a zombie until we collect it, if it is not another one's child.
        with contextlib.suppress(ChildProcessError):
            for pid in strays:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def end_user(uid: int) -> None:
    """Kill all processes of a user, of whom no process is wanted, at once.

    `kill(-1)` reaches those that its caller may signal, in one step of the kernel in which none of
    them can fork: kill(2), and `kill_something_info` in kernel/signal.c.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def children(pid: int) -> list[int]:
    """The children of a process; of our own, all of them, as only we collect them: proc(5)."""
    found: list[int] = []
    try:
        # Each thread has a list of those that it started.
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        if os.path.exists(f"/proc/{pid}/task/{pid}"):
            return found
        # It is gone, or the kernel is built without CONFIG_PROC_CHILDREN.
        return [
            int(each) for each in os.listdir("/proc") if each.isdigit() and _parent(each) == pid
        ]
    return found


def _end_trees(tops: list[int]) -> None:
    """Kill processes and all their descendants.

    All are stopped first, from the top: a fork bomb gets room for another fork with each process
    that is killed, and a stopped process starts no other and keeps its place.
    """
    stopped = {}
    pending = [(pid, os.getpid()) for pid in tops]
    try:
        while pending:
            pid, parent = pending.pop()
            if pid in stopped:
                continue
            try:
                stopped[pid] = fd = os.pidfd_open(pid)
            except OSError:
                continue  # it is gone; or there is no room, and the next round finds it
            # The number may be another process's by now, which is none of ours.
            if _parent(pid) == parent and _signal(fd, signal.SIGSTOP):
                pending += [(child, pid) for child in children(pid)]
        for fd in stopped.values():
            _signal(fd, signal.SIGKILL)
    finally:
        for fd in stopped.values():
            os.close(fd)


def _signal(fd: int, number: int) -> bool:
    try:
        signal.pidfd_send_signal(fd, number)
    except OSError:  # it has ended
        return False
    return True


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _parent(pid: int | str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
