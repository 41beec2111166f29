"""Giving a sandbox in which nothing runs a new store, in place.

Its root is mounted anew beside the old one, with what it wrote so far as a layer below; whatever
is mounted elsewhere moves over; then the new root takes the place of the old one, for PID 1 too.
"""

from __future__ import annotations

import errno
import os

from ..filesystem import root_mounts
from ..kernel import mounts, namespaces
from ..kernel.mountinfo import read_mounts
from . import helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filesystem.host_trees import HostTree
    from ..kernel.mountinfo import MountInfo
    from .config import SandboxConfig


def replace_store(
    config: SandboxConfig, trees: list[HostTree], stack: list[int], mount_namespace: int
) -> int:
    """Do it; in a helper.

    Args:
        config: what sandboxes have in common.
        trees: folders of the machine that the sandbox shows.
        stack: layers for the new root, the first of which is the sandbox's old store.
        mount_namespace: the sandbox's mount namespace.

    Returns:
        The new store.

    Raises:
        OSError: and the sandbox is as it was; `EBUSY` if it is not one for this.
    """
    helper.enter(mount_namespace, config.mapped(stack))
    root_mounts.mount_store(config.size, config.inodes)
    root_mounts.mount_root(trees, config.layers, stack)
    store = mounts.open_tree("/box")
    # Copies, which belong to no mount namespace: a mount of ours could not be moved into the
    # sandbox's, mount_namespaces(7).
    root = mounts.open_tree("/root", recursive=True)
    # Opened here: in the sandbox's mount namespace, /proc shows another pid namespace, in which
    # this process does not exist.
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    namespaces.enter(mount_namespace, namespaces.CLONE_NEWNS)
    move = _to_move(read_mounts(proc), {tree.path for tree in trees if tree.layered})
    mounts.move_mount(root, "/")  # on top of the old root, which is still ours
    moved: list[str] = []
    try:
        for path in move:
            mounts.move_mount(mounts.AT_FDCWD, path[1:], source=path, folder=root)
            moved.append(path)
        os.fchdir(root)
        # It also moves the root and current directory of all processes that had the old ones, PID
        # 1's too: pivot_root(2).
        mounts.pivot_root()
    except OSError:
        # Back where they were: the sandbox continues as if nothing had been tried.
        for path in moved:
            mounts.move_mount(root, path, source=path[1:])
        os.fchdir(root)
        mounts.unmount(".", mounts.MNT_DETACH)
        raise
    mounts.unmount(".", mounts.MNT_DETACH)
    return store


def _to_move(mounts: list[MountInfo], trees: set[str]) -> list[str]:
    """Paths of what is mounted on the root and on trees that are mounted anew with it."""
    anew = {next(mount for mount in mounts if mount.path == "/").number}
    # One tree may lie in another.
    for one in sorted(mounts, key=lambda mount: mount.path):
        if one.parent in anew and one.path in trees:
            anew.add(one.number)
    paths = [one.path for one in mounts if one.parent in anew and one.number not in anew]
    every = [mount.path for mount in mounts]
    if any(every.count(path) > 1 for path in {*paths, *trees, "/"}):
        raise OSError(errno.EBUSY, "something is mounted on something else's root", "")
    return paths
