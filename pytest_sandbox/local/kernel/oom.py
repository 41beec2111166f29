"""Which processes the kernel kills when the machine is out of memory: proc_pid_oom_score_adj(5)."""

from __future__ import annotations

import os

#: The most there is: as if the process used all of the machine's memory.
_FIRST = 1000


def kill_first(pid: int) -> None:
    """Have the kernel kill a process, and what it starts from now on, before all others.

    Where the caller is root of the machine, the process cannot undo it. Elsewhere it can go back to
    what the caller has itself.

    Args:
        pid: of the process, as `/proc` shows it.

    Raises:
        OSError: the kernel refused it.
    """
    fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(_FIRST).encode())
    finally:
        os.close(fd)
