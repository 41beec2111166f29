"""Freeing an agent that waits for what it has just started.

PID 1 starts programs as vfork(2) does: it waits in the kernel until its child runs another program
or has ended. A program of the sandbox can stop the child before that.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def free(agent: int, *, kill: bool) -> None:
    """Resume or kill what an agent waits for, if it does.

    Args:
        agent: the pid of PID 1, here.
        kill: whether to kill it, for one that is stopped again as soon as it is resumed.
    """
    # The kernel shows a wait for such a child as D: kernel_clone(), TASK_KILLABLE.
    if _state_and_parent(agent)[0] == b"D":
        for child in _children(agent):
            _free(agent, child, signal.SIGKILL if kill else signal.SIGCONT)


def _free(agent: int, child: int, number: int) -> None:
    try:
        handle = os.pidfd_open(child)
    except OSError:
        return
    try:
        # Asked again now that the pid cannot become that of another process. Until a child runs
        # its own program it has the memory of its parent, and so shows the same command line.
        stopped = _state_and_parent(child) == (b"T", agent)
        if stopped and _command_line(child) == _command_line(agent):
            signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # it has ended meanwhile
    finally:
        os.close(handle)


def _children(pid: int) -> Iterator[int]:
    """Children of a process; none where the kernel does not list them: CONFIG_PROC_CHILDREN."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            yield from map(int, file.read().split())
    except OSError:
        return


def _state_and_parent(pid: int) -> tuple[bytes, int]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, field 2, may hold blanks and parentheses; field 3 follows the last one.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return b"X", 0
    return fields[0], int(fields[1])


def _command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
