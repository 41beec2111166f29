"""Capabilities: what root inside a sandbox may still do (capabilities(7))."""

from __future__ import annotations

from . import syscalls as sys_

#: A container's usual set without raw sockets, device nodes, chroot: numbers of linux/capability.h.
KEPT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
_MASK = sum(1 << number for number in KEPT.values())


def to_drop() -> tuple[int, ...]:
    """The numbers that this kernel knows and no sandbox keeps."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    return tuple(number for number in range(last + 1) if not _MASK >> number & 1)


def drop(numbers: tuple[int, ...]) -> None:
    """Give up `numbers` for good, for this process and all that it will ever start."""
    for number in numbers:
        sys_.prctl(sys_.PR_CAPBSET_DROP, number)
    sys_.prctl(sys_.PR_CAP_AMBIENT, sys_.PR_CAP_AMBIENT_CLEAR_ALL)
    sys_.capset(_MASK)
