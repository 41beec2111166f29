"""Forking into new namespaces, into a cgroup, and with a chosen pid, in one step: `clone3(2)`."""

from __future__ import annotations

import ctypes
import os
import signal

from .syscalls import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# clone3(2): since Linux 5.5 and 5.7. `set_tid` is since 5.5, with CAP_CHECKPOINT_RESTORE since 5.9.
_CLONE_PARENT = 0x8000
_CLONE_CLEAR_SIGHAND = 0x100000000
_CLONE_INTO_CGROUP = 0x200000000
#: How a child ends whose work raised: nothing that calls this reads the status.
_FAILED = 70

# PyDLL keeps the interpreter's lock during the call. CDLL would release it, and another thread
# could change the interpreter between the fork and the hooks that are to follow it.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
# Looked up here: else each child would do it anew.
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_fork_child = ctypes.pythonapi.PyOS_AfterFork_Child
_after_fork_parent = ctypes.pythonapi.PyOS_AfterFork_Parent


class _CloneArgs(ctypes.Structure):
    """`struct clone_args` of clone(2)."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size"),
            *("tls", "set_tid", "set_tid_size", "cgroup"),
        )
    ]


class PreparedClone:
    """A fork that is made any number of times; see `clone`."""

    def __init__(
        self,
        flags: int,
        child: Callable[[], object],
        cgroup: int | None = None,
        pid: int | None = None,
        *,
        sibling: bool = False,
    ) -> None:
        self._child = child
        self._args = args = _CloneArgs(flags=flags | _CLONE_CLEAR_SIGHAND)
        if sibling:
            # Its end is told by the signal by which ours will be: clone(2), CLONE_PARENT.
            args.flags |= _CLONE_PARENT
        else:
            args.exit_signal = signal.SIGCHLD
        if pid is not None:
            self._pid = ctypes.c_int(pid)
            args.set_tid, args.set_tid_size = ctypes.addressof(self._pid), 1
        if cgroup is not None:
            args.flags |= _CLONE_INTO_CGROUP
            args.cgroup = cgroup
        size = ctypes.c_size_t(ctypes.sizeof(args))
        # Made here: between the fork and its hooks nothing may be allocated.
        self._call = ctypes.c_long(number("clone3")), ctypes.byref(args), size

    def make(self) -> int:
        """Fork; the pid.

        Raises:
            OSError: the kernel refused it.
        """
        call, pointer, size = self._call
        # What os.fork() calls, too: else a child may inherit locks of the interpreter that no
        # thread of its own ever releases.
        _before_fork()
        forked = _libc.syscall(call, pointer, size)
        if forked == 0:
            try:
                _after_fork_child()
                self._child()
            finally:
                # Whatever happens, nothing of the parent's stack may continue in the child.
                os._exit(_FAILED)
        errno = ctypes.get_errno()
        _after_fork_parent()
        if forked < 0:
            raise OSError(errno, os.strerror(errno), "clone")
        return int(forked)


def clone(
    flags: int,
    child: Callable[[], object],
    cgroup: int | None = None,
    pid: int | None = None,
    *,
    sibling: bool = False,
) -> int:
    """Fork: `child` runs in the new process, which ends when it returns. Returns the child's pid.

    The interpreter runs the hooks that `os.fork` would run. The child has no handlers of signals.

    Args:
        flags: `CLONE_NEW...` of the namespaces that are to be new.
        child: what the new process does.
        cgroup: a descriptor of the folder of a version 2 cgroup to start in; `None` for ours.
        pid: its number in the innermost pid namespace; `None` for the next one. Choosing one takes
            CAP_CHECKPOINT_RESTORE over that namespace.
        sibling: whether it is a child of our parent, and not of ours.

    Raises:
        OSError: the kernel refused it; `FileExistsError` if the pid is taken.
    """
    return PreparedClone(flags, child, cgroup, pid, sibling=sibling).make()
