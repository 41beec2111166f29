"""Run inside a sandbox: tries to get at other processes, by every way that a debugger has.

Takes the pids to try, or `all` for every one but itself; or `helpers` for those of the engine that
come while all programs are stopped, which this one does not stay. Then it first prints a line, and
looks for them until it reads one. Prints JSON, the pid to the ways that led in: none for a process
that is closed.
"""

import ctypes
import json
import os
import select
import signal
import sys
from collections.abc import Callable

PIDFD_GETFD = 438
ATTACH, SEIZE, DETACH = 16, 0x4206, 17
CLOCK_MONOTONIC = 1
#: Nanoseconds from one waking to the next.
WAKE = 50_000_000
TIMERS = 20
LINKS = ("exe", "cwd", "root")
TEXTS = ("environ", "maps", "syscall", "stack", "auxv")

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class IoVec(ctypes.Structure):
    """`struct iovec` of process_vm_readv(2)."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def trace(request: int, pid: int) -> bool:
    """Attach or seize; whether that worked. What was attached to is let go."""
    if libc.ptrace(request, pid, None, None) != 0:
        return False
    if request == SEIZE:
        os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, 0x40000000)  # __WALL
    libc.ptrace(DETACH, pid, None, None)
    os.kill(pid, signal.SIGCONT)
    return True


def copy_memory(call: Callable[..., int], pid: int) -> bool:
    """Copy a byte between us and the address where we have our own buffer; whether it was let.

    EFAULT means that there is no such address there: the kernel had let us look.
    """
    buffer = ctypes.create_string_buffer(1)
    part = IoVec(ctypes.addressof(buffer), 1)
    result = call(pid, ctypes.byref(part), 1, ctypes.byref(part), 1, 0)
    return result == 1 or ctypes.get_errno() == 14


def opens(path: str, flags: int = os.O_RDONLY) -> bool:
    """Whether a file can be opened and, if it is to be read, read."""
    try:
        fd = os.open(path, flags)
    except OSError:
        return False
    try:
        return flags != os.O_RDONLY or bool(os.read(fd, 1))
    except OSError:
        return False
    finally:
        os.close(fd)


def leads_somewhere(folder: str) -> bool:
    """Whether a link in a folder can be read or opened; its name alone gives nothing away."""
    try:
        paths = [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return False
    return any(leads(path) or opens(path, os.O_PATH) for path in paths)


def leads(path: str) -> bool:
    """Whether a magic link can be read."""
    try:
        os.readlink(path)
    except OSError:
        return False
    return True


def take_descriptor(pid: int) -> bool:
    """Whether a descriptor of another process can be had."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        return any(libc.syscall(PIDFD_GETFD, fd, number, 0) >= 0 for number in range(16))
    finally:
        os.close(fd)


def ways(pid: int) -> list[str]:
    """The ways that lead into a process."""
    proc = f"/proc/{pid}"
    found = {
        "PTRACE_ATTACH": trace(ATTACH, pid),
        "PTRACE_SEIZE": trace(SEIZE, pid),
        "process_vm_readv": copy_memory(libc.process_vm_readv, pid),
        "process_vm_writev": copy_memory(libc.process_vm_writev, pid),
        "pidfd_getfd": take_descriptor(pid),
        "mem": opens(f"{proc}/mem", os.O_RDWR),
        "fd": leads_somewhere(f"{proc}/fd"),
        "map_files": leads_somewhere(f"{proc}/map_files"),
        "fdinfo": opens(f"{proc}/fdinfo/0"),
        **{name: leads(f"{proc}/{name}") for name in LINKS},
        **{name: opens(f"{proc}/{name}") for name in TEXTS},
    }
    return [name for name, worked in found.items() if worked]


def wake_oneself() -> None:
    """Have timers continue this process again and again, whatever stops it: timer_create(2)."""
    # With a handler: since Linux 6.13 a timer whose signal is ignored stands still.
    signal.signal(signal.SIGCONT, lambda *_: None)
    event = (ctypes.c_int * 16)()  # struct sigevent: 8 bytes of value, the signal, how to notify
    event[2] = signal.SIGCONT
    # Several: a stop discards the signal that a timer has just sent, signal(7), and a timer waits
    # for its last signal before it sends another one.
    for number in range(TIMERS):
        timer = ctypes.c_void_p()
        libc.timer_create(CLOCK_MONOTONIC, event, ctypes.byref(timer))
        times = (ctypes.c_long * 4)(0, WAKE, 0, WAKE * (number + 1) // TIMERS)
        libc.timer_settime(timer, 0, times, None)


def parent(pid: int) -> int:
    """The parent of a process; 0 if that is outside of the sandbox, -1 if there is no process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return -1


def from_outside(pid: int) -> bool:
    """Whether a process was put into the sandbox from outside, or descends from such a one."""
    while pid > 1:
        pid = parent(pid)
    return pid == 0


def ways_into_helpers() -> dict[int, list[str]]:
    """What `ways` says of helpers, until there is something to read."""
    wake_oneself()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    found: dict[int, list[str]] = {}
    while not select.select([0], [], [], 0)[0]:
        for pid in others():
            if pid != 1 and from_outside(pid):
                found[pid] = sorted({*found.get(pid, []), *ways(pid)})
    return found


def others() -> list[int]:
    """All processes of the sandbox but this one."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if pid != os.getpid()]


if sys.argv[1:] == ["helpers"]:
    results = ways_into_helpers()
else:
    pids = others() if sys.argv[1:] == ["all"] else [int(pid) for pid in sys.argv[1:]]
    results = {pid: ways(pid) for pid in pids}
json.dump(results, sys.stdout)
