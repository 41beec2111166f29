"""Ending with the parent, however soon that dies.

`PR_SET_PDEATHSIG` comes too late for a parent that died before it was set. So a process looks for
its parent once more after it has set that, and ends if there is none.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal

from . import prctl
from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls


class _PollFd(ctypes.Structure):
    """`struct pollfd` of poll(2)."""

    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def die_with(parent: int, calls: PreparedCalls = NOW) -> None:
    """Be killed when the parent ends, which may have happened already.

    Args:
        parent: its pid, in the pid namespace that is ours too.
        calls: where the calls are prepared, if not made at once.
    """
    prctl.die_with_parent(signal.SIGKILL, calls)
    # Children get another parent before they get the signal: forget_original_parent() in
    # kernel/exit.c.
    calls.add_check("getppid", expected=parent, otherwise=_end)


def die_with_outer(pidfd: int, calls: PreparedCalls) -> None:
    """Have `calls` do like `die_with`, in PID 1 of a pid namespace, whose parent has the pid 0.

    Args:
        pidfd: a descriptor of the parent, pidfd_open(2).
        calls: made by that process.
    """
    prctl.die_with_parent(signal.SIGKILL, calls)
    # The parent ends in one step under the kernel's lock for tasks, which wait(2) takes too: either
    # that step has seen what was just set, or it is complete, and the descriptor tells.
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    calls.add("waitid", os.P_ALL, 0, None, options, allowed=(errno.ECHILD,))
    poll = _PollFd(pidfd, select.POLLIN, 0)
    calls.add_check("poll", ctypes.byref(poll), 1, 0, expected=0, otherwise=_end)


def _end() -> None:
    os._exit(0)
