"""The filesystem of one sandbox, assembled from the stage that the zygote set up.

The stage is the zygote's root, a small tmpfs:

    /skeleton     lower layer of a sandbox's root: its directories, links and curated `/etc`
    /trees/N      trees of the machine that show in every sandbox
    /dev/...      device nodes of the machine
    /empty        an empty read-only directory, to hide others with
    /box, /root   where a sandbox mounts its store and its root, each in its own mount namespace
    /proc         the machine's, for the zygote alone
"""

from __future__ import annotations

import os

from . import _syscalls as sys_

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_PSEUDO = sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC
_HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Masks:
    """Which of the paths to hide or to protect this kernel has; found out once, on the machine."""

    def __init__(self) -> None:
        self.hidden = [(path, os.path.isdir(path)) for path in _HIDDEN if os.path.exists(path)]
        self.read_only = [path for path in _READ_ONLY if os.path.exists(path)]

    def apply(self, root: str) -> None:
        """Hide and protect below `root`, where `/proc` and `/sys` are mounted."""
        for path, is_directory in self.hidden:
            if not os.path.lexists(root + path):
                continue
            source = "/empty" if is_directory else "/dev/null"
            sys_.mount(source, root + path, flags=sys_.MS_BIND)
        for path in self.read_only:
            target = root + path
            sys_.mount(target, target, flags=sys_.MS_BIND)
            flags = sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY | _PSEUDO
            sys_.mount("", target, flags=flags)


def mount_store(size: int, inodes: int) -> None:
    """Mount the place where everything lives that the sandbox writes; it dies with its mounts."""
    flags = sys_.MS_NOSUID | sys_.MS_NODEV
    sys_.mount("tmpfs", "/box", "tmpfs", flags, f"size={size},nr_inodes={inodes},mode=0755")


def mount_root(trees: list[tuple[str, bool]]) -> None:
    """Mount the sandbox's root at `/root`; `trees` tells of each whether it can be written to."""
    _overlay("/skeleton", "root", "/root")
    for number, (path, writable) in enumerate(trees):
        if writable:
            _overlay(f"/trees/{number}", f"tree{number}", "/root" + path)
        else:
            sys_.mount(f"/trees/{number}", "/root" + path, flags=sys_.MS_BIND | sys_.MS_REC)


def mount_kernel(masks: Masks) -> None:
    """Mount `/dev`, `/proc` and `/sys` below `/root`."""
    for name in DEVICES:
        sys_.mount(f"/dev/{name}", f"/root/dev/{name}", flags=sys_.MS_BIND)
    _mount_terminals("/root/dev/pts")
    os.mkdir("/box/shm", 0o1777)
    os.chmod("/box/shm", 0o1777)
    sys_.mount("/box/shm", "/root/dev/shm", flags=sys_.MS_BIND)
    sys_.mount("proc", "/root/proc", "proc", _PSEUDO)
    sys_.mount("sysfs", "/root/sys", "sysfs", _PSEUDO | sys_.MS_RDONLY)
    masks.apply("/root")


def enter_root() -> None:
    """Make `/root` the root of this mount namespace; the stage is then out of reach."""
    os.chdir("/root")
    sys_.pivot_root(".", ".")  # the old root ends up on top of the new one: pivot_root(2), NOTES
    sys_.umount(".", sys_.MNT_DETACH)
    os.chdir("/")


def _overlay(lower: str, name: str, target: str) -> None:
    upper, work = f"/box/{name}", f"/box/{name}.work"
    os.mkdir(upper, 0o755)
    os.mkdir(work, 0o755)
    # userxattr: in a user namespace, overlayfs may not use the trusted.* attributes.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr,xino=on"
    sys_.mount("overlay", target, "overlay", sys_.MS_NODEV, options)


def _mount_terminals(target: str) -> None:
    flags, options = sys_.MS_NOSUID | sys_.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"
    try:
        sys_.mount("devpts", target, "devpts", flags, options + ",gid=5")
    except OSError:
        sys_.mount("devpts", target, "devpts", flags, options)  # a single id: there is no 5
