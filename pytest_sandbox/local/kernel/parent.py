"""Ending with the parent, however soon that dies.

`PR_SET_PDEATHSIG` comes too late for a parent that died before it was set. So a process looks for
its parent once more after it has set that, and ends if there is none.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from . import prctl


def die_with(parent: int) -> None:
    """Be killed when the parent ends, which may have happened already.

    Args:
        parent: its pid, in the pid namespace that is ours too.
    """
    prctl.die_with_parent(signal.SIGKILL)
    # Children get another parent before they get the signal: forget_original_parent() in
    # kernel/exit.c.
    if os.getppid() != parent:
        os._exit(0)


def die_with_outer(pidfd: int) -> None:
    """Like `die_with`, for PID 1 of a pid namespace, whose parent always has the pid 0.

    Args:
        pidfd: a descriptor of the parent, pidfd_open(2).
    """
    prctl.die_with_parent(signal.SIGKILL)
    # The parent ends in one step under the kernel's lock for tasks, which wait(2) takes too: either
    # that step has seen what was just set, or it is complete, and the descriptor tells.
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        os._exit(0)
