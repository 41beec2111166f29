"""The filesystem of one sandbox, assembled from the stage that the zygote set up.

The stage is the zygote's root, a small tmpfs:

    /skeleton     lower layer of a sandbox's root: its directories, links and curated `/etc`
    /trees/N      trees of the machine that show in every sandbox
    /dev/...      device nodes of the machine
    /layers/N     what other sandboxes wrote and somebody keeps; see `_layers`
    /volumes/N    what sandboxes share; see `_volumes`
    /empty        an empty read-only directory, to hide others with
    /box, /root   where a sandbox mounts its store and its root, each in its own mount namespace

A store is a tmpfs with what one sandbox writes, in parts: `r`, over the skeleton, and `N` over each
tree that can be written to; `work` is overlayfs's own. The names are short because overlayfs takes
all of its lower directories in one option of 4096 bytes.
    /proc         the machine's, for the zygote alone
    /criu         copies of CRIU and its libraries, if it is used
    /memory       where a helper mounts the images that CRIU writes, and
    /work         what else it does, both in mount namespaces of their own
"""

from __future__ import annotations

import os

from ..kernel import syscalls as sys_
from . import file_attributes, mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .layers import Layers

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_PSEUDO = sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC
_HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
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
    tmpfs("/box", size, inodes, 0o755)
    os.mkdir("/box/work", 0o755)


def mount_root(trees: list[tuple[str, bool]], layers: Layers, stack: list[int]) -> None:
    """Mount the sandbox's root at `/root`, all but the trees of the machine that are read-only.

    Args:
        trees: paths, and whether they can be written to.
        layers: those there are.
        stack: those that the root begins with, the newest first.
    """
    overlay("r", "/root", layers, stack, "../skeleton")
    if stack:
        folders = ["/dev/pts", "/dev/shm", "/proc", "/sys", *(path for path, _ in trees)]
        mount_points.prepare("/root", folders, [f"/dev/{name}" for name in DEVICES])
    for number, (path, writable) in enumerate(trees):
        if writable:
            overlay(str(number), "/root" + path, layers, stack, f"../trees/{number}")


def mount_trees(trees: list[tuple[str, bool]]) -> None:
    """Mount the trees of the machine that are read-only below `/root`."""
    for number, (path, writable) in enumerate(trees):
        if not writable:
            sys_.mount(f"/trees/{number}", "/root" + path, flags=sys_.MS_BIND | sys_.MS_REC)


def mount_kernel(masks: Masks, size: int, inodes: int) -> None:
    """Mount `/dev`, `/proc` and `/sys` below `/root`."""
    for name in DEVICES:
        sys_.mount(f"/dev/{name}", f"/root/dev/{name}", flags=sys_.MS_BIND)
    _mount_terminals("/root/dev/pts")
    tmpfs("/root/dev/shm", size, inodes, 0o1777)
    sys_.mount("proc", "/root/proc", "proc", _PSEUDO)
    sys_.mount("sysfs", "/root/sys", "sysfs", _PSEUDO | sys_.MS_RDONLY)
    masks.apply("/root")


def enter_root() -> None:
    """Make `/root` the root of this mount namespace; the stage is then out of reach."""
    os.chdir("/root")
    sys_.pivot_root(".", ".")  # the old root ends up on top of the new one: pivot_root(2), NOTES
    sys_.umount(".", sys_.MNT_DETACH)
    os.chdir("/")


def overlay(
    part: str,
    target: str,
    layers: Layers,
    stack: list[int],
    base: str,
    *,
    source: str = "overlay",
) -> None:
    """Mount a part of layers, with one in `/box` over it that is written to.

    Args:
        part: its name.
        target: where to.
        layers: those there are.
        stack: those that have the part, the newest first.
        base: what is below them all, relative to `/layers`.
        source: how the mount is called in the list of mounts.
    """
    upper, work = f"/box/{part}", f"/box/work/{part}"
    os.mkdir(upper, 0o755)
    os.mkdir(work, 0o755)
    os.chdir("/layers")
    if stack:  # a merged directory has the owner, mode and times of the topmost one
        file_attributes.inherit(f"{stack[0]}/{part}", upper)
    lower = layers.lower(stack, part, base)
    # userxattr: in a user namespace, overlayfs may not use the trusted.* attributes.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr,xino=on"
    sys_.mount(source, target, "overlay", sys_.MS_NODEV, options)
    os.chdir("/")


def tmpfs(target: str, size: int, inodes: int, mode: int) -> None:
    """Mount an empty file system in memory."""
    flags = sys_.MS_NOSUID | sys_.MS_NODEV
    sys_.mount("tmpfs", target, "tmpfs", flags, f"size={size},nr_inodes={inodes},mode={mode:o}")


def _mount_terminals(target: str) -> None:
    flags, options = sys_.MS_NOSUID | sys_.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"
    try:
        sys_.mount("devpts", target, "devpts", flags, options + ",gid=5")
    except OSError:
        sys_.mount("devpts", target, "devpts", flags, options)  # a single id: there is no 5
