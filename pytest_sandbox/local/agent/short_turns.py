"""PID 1 gets a processor as soon as it is woken, and not only after what it has started.

When it has started a program it says so, and its client goes on meanwhile. But the program is on
the same processor, where the kernel leaves it for a whole turn (`base_slice_ns` of sched(7)'s fair
policy, a millisecond and more), and with two processors it looks for no other one. Who asks for
shorter turns comes earlier, gets no more in all, and needs no right for it.
"""

from __future__ import annotations

import ctypes
import errno
import os

from ..kernel.syscalls import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.calls import PreparedCalls

#: In nanoseconds. The kernel takes half as many at least (__setparam_fair in
#: kernel/sched/syscalls.c), with which many sandboxes at once were a little slower. With 700,000
#: nothing was faster. Before Linux 6.12 it takes none from anybody, and nothing changes.
_TURN = 200_000
#: What it starts has turns as usual: sched(7), "Resetting scheduling policy for child processes".
_RESET_ON_FORK = 1
#: The policies that know such turns.
_WITH_TURNS = (os.SCHED_OTHER, os.SCHED_BATCH)
#: Of a container that does not allow the call, or of another kernel: then it is a little slower.
_REFUSALS = (errno.EPERM, errno.ENOSYS, errno.EINVAL)


class _Attributes(ctypes.Structure):
    """`struct sched_attr` in its first version, of sched_setattr(2)."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def take_short_turns(calls: PreparedCalls) -> None:
    """Have `calls` do so for a process that is forked from this one.

    Unless it has a policy for real time or for idle times, or a preferred nice value: what it
    starts is to have that too.
    """
    scheduler, nice = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    policy = scheduler & ~os.SCHED_RESET_ON_FORK
    if scheduler != policy:
        nice = max(0, nice)  # a preferred one is not for what is forked from this process
    if policy not in _WITH_TURNS or nice < 0:
        return
    attributes = _Attributes(
        size=ctypes.sizeof(_Attributes),
        policy=policy,
        flags=_RESET_ON_FORK,
        nice=nice,
        runtime=_TURN,
    )
    call = number("sched_setattr"), 0, ctypes.pointer(attributes), 0
    calls.add("syscall", *call, about="sched_setattr", allowed=_REFUSALS)
