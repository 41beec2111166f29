"""The filesystem of one sandbox, assembled from the stage that the zygote set up.

The stage is the zygote's root, a small tmpfs:

    /skeleton     lower layer of a sandbox's root: its directories, links and curated `/etc`
    /trees/N      folders of the machine that sandboxes show: see `host_trees`
    /hidden/N     lies over such a folder and hides some of its files: see `hidden_paths`
    /dev/...      device nodes of the machine
    /gpus/N       those of GPUs, and files of their driver: see `gpu_mounts`
    /layers/N     what other sandboxes wrote, and snapshots depend on: see `layers`; 0 is none of
                  them, and empty
    /images       unpacked layers of images, on disk
    /foreign      what shows over and under these: see `foreign_skeleton`
    /volumes/N    what sandboxes share: see `volume_mounts`
    /empty        an empty read-only directory, to hide others with
    /box, /root   where a sandbox mounts its store and its root, each in its own mount namespace
    /ahead        where a blank mounts what it can before it knows of its root, likewise
    /proc, /sys   the machine's, for the zygote alone
    /criu         copies of CRIU and its libraries, if it is used
    /memory       where a helper mounts the images that CRIU writes, and
    /work         its logs, both in mount namespaces of their own

A store is a tmpfs with what one sandbox writes, in parts: `r`, over the skeleton, and `N` over each
folder that can be written to; `work` is for overlayfs alone. The names are short because the paths
of all lower directories have to fit into one page of mount options.
"""

from __future__ import annotations

from ..kernel import file_attributes, ipc_limits, mounts, overlayfs, terminals, tmpfs
from ..kernel.calls import NOW
from . import mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.calls import PreparedCalls
    from .host_trees import HostTree
    from .layers import Layers
    from .masked_paths import MaskedPaths

#: Device nodes of the machine that a sandbox has. It cannot make any: in a user namespace, mknod(2)
#: refuses devices, and without one CAP_MKNOD is missing.
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

#: Where a blank mounts what does not depend on its root, and the directories there.
AHEAD = "/ahead"
FOLDERS_AHEAD = ("ahead", "ahead/dev", "ahead/dev/pts", "ahead/dev/shm", "ahead/proc", "ahead/sys")

_PSEUDO = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC


def mount_store(
    size: int, inodes: int, calls: PreparedCalls = NOW, *, for_copy: bool = False
) -> None:
    """Mount the place at `/box` in which all lives that a sandbox writes.

    Nothing ever has to delete it: the kernel frees it with its last mount.

    Args:
        size: bytes that it may hold.
        inodes: files that it may hold.
        calls: where the calls are prepared, if not made at once.
        for_copy: whether a copy will be written to it, file by file, and nothing after that.
    """
    # In memory, and so also where the machine's root is an overlay, as in most containers:
    # overlayfs does not take a directory of an overlay as its upper one, EINVAL.
    tmpfs.mount("/box", size, 0o755, inodes, calls, large_pages=for_copy)
    calls.add("mkdir", "/box/work", 0o755)


def mount_root(
    trees: list[HostTree],
    layers: Layers,
    stack: list[int],
    *,
    source: str = mount_points.LAYERED_SOURCE,
    same: bool = False,
    calls: PreparedCalls = NOW,
) -> None:
    """Mount the sandbox's root at `/root`, all but the trees of the machine that are read-only.

    Args:
        trees: folders of the machine, in the order in which they are mounted.
        layers: those of the zygote.
        stack: numbers of the layers that the root begins with, the newest first.
        source: what the list of mounts calls the root.
        same: whether all is mounted at the same places in a root that shows the same files, so that
            they are all there.
        calls: where the calls are prepared, if not made at once.
    """
    mount_layers("r", "/root", layers, stack, "../skeleton", source=source, calls=calls)
    if stack and not same:
        # A hostile program may have written the layers: nothing is where the skeleton had it.
        folders = ["/dev/pts", "/dev/shm", "/proc", "/sys"]
        devices = [f"/dev/{name}" for name in DEVICES]
        mount_points.have("/root", folders, devices, calls)
    # overlayfs does not show what is mounted below a lower directory, so each tree gets an overlay
    # over the root's.
    for tree in trees:
        if not same and (stack or tree.shown == "with project"):
            mount_points.have("/root", [tree.path], [], calls)
        if tree.layered:
            target = "/root" + tree.path
            mount_layers(tree.part, target, layers, stack, tree.lower, calls=calls)


def mount_trees(trees: list[HostTree], calls: PreparedCalls = NOW) -> None:
    """Mount the trees of the machine that are read-only below `/root`."""
    for tree in trees:
        if not tree.layered:
            source, target = f"/trees/{tree.number}", "/root" + tree.path
            mounts.bind(source, target, recursive=True, calls=calls)


def mount_devices(calls: PreparedCalls) -> None:
    """Have `calls` mount the device nodes of the machine below `/root`."""
    for name in DEVICES:
        mounts.bind(f"/dev/{name}", f"/root/dev/{name}", calls=calls)


def mount_kernel(
    masked: MaskedPaths, size: int, inodes: int, calls: PreparedCalls, root: str = "/root"
) -> None:
    """Have `calls` mount what the kernel has in `/dev`, `/proc` and `/sys` below `root`.

    A mount of proc(5) shows the pid namespace, and one of sysfs(5) the network namespace, of the
    process that mounts it: they have to be made in the sandbox's own.
    """
    terminals.mount_devpts(f"{root}/dev/pts", calls)
    # shm_open(3) wants a file system there with room: as a mere directory of /dev, PostgreSQL's
    # initdb failed.
    tmpfs.mount(f"{root}/dev/shm", size, 0o1777, inodes, calls)
    mounts.mount("proc", f"{root}/proc", "proc", _PSEUDO, calls=calls)
    ipc_limits.set_for_namespace(f"{root}/proc", size, calls)  # as long as it can be written to
    masked.apply(root, "/proc", _PSEUDO, calls)
    # Read-only: much in it concerns the whole machine, and not all of it is protected from root.
    mounts.mount("sysfs", f"{root}/sys", "sysfs", _PSEUDO | mounts.MS_RDONLY, calls=calls)
    masked.apply(root, "/sys", _PSEUDO, calls)


def show_kernel(calls: PreparedCalls) -> None:
    """Have `calls` show below `/root` what `mount_kernel` has mounted below `/ahead`.

    As copies of these mounts, so that they come after the root in the list of mounts, as ever.
    """
    for path in ("/dev/pts", "/dev/shm", "/proc", "/sys"):
        mounts.bind(AHEAD + path, "/root" + path, recursive=True, calls=calls)


def enter_root(calls: PreparedCalls) -> None:
    """Have `calls` make `/root` the root of a mount namespace; the stage is then out of reach."""
    calls.add("chdir", "/root")
    mounts.change_root(calls)


def mount_layers(
    part: str,
    target: str,
    layers: Layers,
    stack: list[int],
    base: str,
    *,
    source: str = mount_points.LAYERED_SOURCE,
    calls: PreparedCalls = NOW,
) -> None:
    """Mount a part of layers, with the same part of the store in `/box` over it.

    Args:
        part: its name.
        target: where to.
        layers: those of the zygote.
        stack: numbers of the layers, the newest first.
        base: what is below them all, relative to `/layers`.
        source: what the list of mounts calls it.
        calls: where the calls are prepared, if not made at once.
    """
    upper, work = f"/box/{part}", f"/box/work/{part}"
    calls.add("mkdir", upper, 0o755, about=upper)
    calls.add("mkdir", work, 0o755, about=work)
    newest = layers.topmost(stack, part)
    if newest is not None:
        # A merged directory has the owner, mode and times of the topmost one, which is new here.
        # `r` may be a link.
        file_attributes.copy_to_overlay(f"/layers/{newest}/{part}/.", upper, calls)
    lower = layers.lower(stack, part, base)
    calls.add("chdir", "/layers")  # overlayfs takes relative paths, which are shorter
    overlayfs.mount(target, lower, upper, work, source=source, calls=calls)
    calls.add("chdir", "/")
