"""Capabilities: which rights of root a process has (capabilities(7)).

Root of a sandbox keeps what container engines commonly leave it, so that package managers and
servers work, without what only attacks on the kernel or on neighbours need. In a user namespace
the kept ones count for what that namespace owns and for nothing of the machine.
"""

from __future__ import annotations

import ctypes

from . import prctl
from .calls import NOW
from .syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: What root of a sandbox keeps, with its number in include/uapi/linux/capability.h. Container
#: engines also leave NET_RAW, MKNOD and SYS_CHROOT, which tests seldom need, and AUDIT_WRITE, with
#: which a program without a user namespace writes records of the machine.
KEPT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,  # programs that give up capabilities, as we do
    "NET_BIND_SERVICE": 10,  # servers on ports below 1024
    "SETFCAP": 31,  # packages whose files have capabilities
}
CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID = 1, 6, 7
CAP_SYS_RESOURCE = 24

_MASK = sum(1 << number for number in KEPT.values())
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
# Made once: a new type takes longer than the call, above all in a process that was just forked.
_Header = ctypes.c_uint32 * 2
_Data = ctypes.c_uint32 * 6


def to_drop() -> tuple[int, ...]:
    """The capabilities that this kernel knows and no sandbox keeps, by number."""
    # A kernel newer than this list may have more, which must not be left to a sandbox.
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    return tuple(number for number in range(last + 1) if not _MASK >> number & 1)


def drop(numbers: tuple[int, ...], calls: PreparedCalls = NOW) -> None:
    """Give up `numbers` for good, for this process and all that it will ever start.

    Raises:
        OSError: the kernel refused it.
    """
    # The bounding set first: to change it takes CAP_SETPCAP in the effective set.
    prctl.drop_from_bounding_set(numbers, calls)
    # Else a program without set-user-ID bits might still get some: capabilities(7), "Ambient".
    prctl.clear_ambient_set(calls)
    _set(_MASK, calls)


def use_only(numbers: tuple[int, ...]) -> None:
    """Reduce what this process may use to some capabilities of those that it has.

    A change of ids leaves a process what it may use, but not in use: capabilities(7), "Effect of
    user ID changes on capabilities".

    Raises:
        OSError: it does not have one of them.
    """
    _set(sum(1 << number for number in numbers))


def use_all(calls: PreparedCalls) -> None:
    """Have `calls` use all capabilities that this process may use; see `use_only`."""
    header, data = _header(), _Data()
    call("capget", header, data)
    data[0], data[3] = data[1], data[4]
    calls.add_number("capset", header, data)


def has(number: int) -> bool:
    """Whether this process may use a capability now."""
    with open("/proc/self/status") as file:
        effective = next(line for line in file if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) >> number & 1)


def _set(kept: int, calls: PreparedCalls = NOW) -> None:
    """Reduce the effective and permitted sets to the bits of `kept`; inherit none: capset(2)."""
    low, high = kept & 0xFFFFFFFF, kept >> 32
    # Effective, permitted and inheritable, first of capabilities 0 to 31, then of the rest.
    calls.add_number("capset", _header(), _Data(low, low, 0, high, high, 0))


def _header() -> ctypes.Array[ctypes.c_uint32]:
    """Of capset(2) and capget(2), for this process."""
    return _Header(_LINUX_CAPABILITY_VERSION_3, 0)
