"""Calling the kernel by number, for system calls that neither Python nor an old C library wraps.

Imported by the zygote and by PID 1 of each sandbox, so it imports next to nothing. A C library
that knows `mount_setattr(2)` is newer than some that we run on; the kernel is asked directly.
"""

from __future__ import annotations

import ctypes
import os

MACHINE = os.uname().machine

#: Numbers that differ between architectures: arch/x86/entry/syscalls/syscall_64.tbl, and
#: include/uapi/asm-generic/unistd.h for the others. From 424 on, numbers are the same everywhere.
_NUMBERS = {
    "x86_64": {
        "pivot_root": 155,
        "capget": 125,
        "capset": 126,
        "seccomp": 317,
        "setns": 308,
        "sched_setattr": 314,
        "bpf": 321,
        "statx": 332,
    },
    "aarch64": {
        "pivot_root": 41,
        "capget": 90,
        "capset": 91,
        "seccomp": 277,
        "setns": 268,
        "sched_setattr": 274,
        "bpf": 280,
        "statx": 291,
    },
}
_COMMON_NUMBERS = {
    "open_tree": 428,  # Linux 5.2, as move_mount
    "move_mount": 429,
    "clone3": 435,  # Linux 5.3
    "close_range": 436,  # Linux 5.9
    "openat2": 437,  # Linux 5.6
    "mount_setattr": 442,  # Linux 5.12, the newest of all that is needed
    "landlock_create_ruleset": 444,  # Linux 5.13, as the next two
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
SUPPORTED_MACHINES = frozenset(_NUMBERS)

#: The C library that this Python runs on.
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def number(name: str) -> int:
    """The number of a system call on this machine."""
    return _COMMON_NUMBERS.get(name) or _NUMBERS[MACHINE][name]


def check(result: int, about: str) -> int:
    """Return a call's result.

    Args:
        result: what the C function returned.
        about: what the error names: a path, or the call.

    Raises:
        OSError: the result is negative; with the `errno` that the call left.
    """
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), about)
    return result


def call(name: str, *args: object, about: str = "") -> int:
    """Make a system call.

    Args:
        name: of the call.
        args: numbers, bytes and ctypes pointers.
        about: what an error names instead of the call.

    Raises:
        OSError: the kernel refused it.
    """
    # syscall(2) is variadic. Without a type, ctypes would pass a number as a 32-bit int and leave
    # the upper half of the register undefined, where the kernel reads 64 bits.
    converted = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return check(libc.syscall(ctypes.c_long(number(name)), *converted), about or name)
