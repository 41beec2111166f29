"""Paths of `/proc` and `/sys` that a sandbox must not see, or must not change.

Many files there are not part of any namespace: they tell of the whole machine, or change it, and
root of a sandbox may open some of them. The lists follow `linux.maskedPaths` and
`linux.readonlyPaths` that container engines pass to OCI runtimes by default, and a little more.
"""

from __future__ import annotations

import errno
import os

from ..kernel import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.calls import PreparedCalls

_HIDDEN = (
    "/proc/acpi",  # controls the machine's hardware
    "/proc/asound",
    "/proc/interrupts",  # and the powercap folder below: side channels, by timing and by power
    "/proc/kcore",  # the kernel's memory, proc_kcore(5)
    "/proc/key-users",  # this and keys: keyrings(7) belong to users, not to containers
    "/proc/keys",
    "/proc/kpagecgroup",  # this and the next two: physical memory of the whole machine
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",  # this and sched_debug: what other processes do
    "/proc/pressure",  # how busy the machine is; who writes there, makes the kernel watch it
    "/proc/sched_debug",
    "/proc/scsi",  # adds and removes disks, by writing
    "/proc/slabinfo",  # what the kernel allocates, of use to attacks on it
    "/proc/timer_list",  # addresses in the kernel, and other processes
    "/proc/timer_stats",
    "/proc/vmallocinfo",  # addresses in the kernel
    "/sys/firmware",  # the firmware's tables and variables
    "/sys/devices/virtual/powercap",
)
#: With which root of the machine puts PID 1 behind others: sched(7), "The autogroup feature".
_OF_PID_1 = "/proc/1/autogroup"
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class MaskedPaths:
    """Those of the paths that this kernel has; found out once, while the machine is in reach.

    Args:
        is_root: whether files of PID 1 may belong to root of a sandbox.
    """

    def __init__(self, *, is_root: bool) -> None:
        hidden = (*_HIDDEN, _OF_PID_1) if is_root else _HIDDEN
        self._hidden = [(path, os.path.isdir(path)) for path in hidden if os.path.exists(path)]
        self._read_only = [path for path in _READ_ONLY if os.path.exists(path)]

    def apply(self, root: str, mount: str, flags: int, calls: PreparedCalls) -> None:
        """Have `calls` hide and protect those of one mount.

        Args:
            root: the folder below which that is mounted.
            mount: `/proc` or `/sys`.
            flags: `MS_...` that it has, which a read-only one has to repeat to keep.
            calls: made where it is mounted.
        """
        below = f"{mount}/"
        for path, is_directory in [each for each in self._hidden if each[0].startswith(below)]:
            # mount(2) takes only a directory over a directory, and a file over a file: ENOTDIR.
            source = "/empty" if is_directory else "/dev/null"
            # Some show only outside of user namespaces.
            mounts.bind(source, root + path, allowed=(errno.ENOENT,), calls=calls)
        for path in [each for each in self._read_only if each.startswith(below)]:
            target = root + path
            mounts.bind(target, target, calls=calls)
            # Only a second mount(2), of what is a bind mount already, takes flags: mount(2), NOTES.
            # All flags: those that are left out would be cleared, and in a user namespace the
            # kernel refuses to clear what a more privileged one set, mount_namespaces(7).
            remount = mounts.MS_BIND | mounts.MS_REMOUNT | mounts.MS_RDONLY | flags
            mounts.mount("", target, flags=remount, calls=calls)
