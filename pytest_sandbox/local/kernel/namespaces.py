"""Namespaces: entering new ones and those of other processes (namespaces(7))."""

from __future__ import annotations

import fcntl

from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

    from .calls import PreparedCalls

# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_FLAGS = {name: value for name, value in globals().items() if name.startswith("CLONE_NEW")}

_NS_GET_USERNS = 0xB701  # ioctl_ns(2)


def unshare(flags: int, calls: PreparedCalls = NOW) -> None:
    """Enter new namespaces, `unshare(2)`; `flags` are `CLONE_NEW...`.

    Raises:
        OSError: the kernel refused it.
    """
    names = "|".join(name for name, flag in _FLAGS.items() if flags & flag)
    calls.add("unshare", flags, about=f"unshare({names})")


def enter(namespace: int | ctypes.c_long, kind: int, calls: PreparedCalls = NOW) -> None:
    """Enter namespaces, `setns(2)`.

    Args:
        namespace: a descriptor of a namespace, or a pidfd, for those of that process.
        kind: `CLONE_NEW...`; several of them for a pidfd.
        calls: where the call is prepared, if not made at once.

    Raises:
        OSError: the kernel refused it.
    """
    calls.add_number("setns", namespace, kind)


def owner_of(namespace: int) -> int:
    """A descriptor of the user namespace that owns a namespace.

    Raises:
        OSError: the kernel refused it.
    """
    return fcntl.ioctl(namespace, _NS_GET_USERNS)


def prepare_owner_of(namespace: int, calls: PreparedCalls) -> ctypes.c_long:
    """Have `calls` do what `owner_of` does."""
    return calls.add_opening("ioctl", namespace, _NS_GET_USERNS)
