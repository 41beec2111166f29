"""Directories of a sandbox: copying one, and mounting copies over others.

All of it in helpers that have entered the sandbox, and every path is looked up with the sandbox's
own root as the root, so that it cannot lead out, whatever links the sandbox has put there.
"""

from __future__ import annotations

import errno
import os
import stat

from ..filesystem import mount_points, root_mounts
from ..filesystem.mount_points import IMAGE_SOURCE
from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel import mounts, namespaces
from ..kernel.mountinfo import read_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import SandboxConfig


def copy_folder(config: SandboxConfig, room: int, mount_namespace: int, path: str) -> int:
    """Copy a directory as it shows in a sandbox, with what is mounted on it.

    Args:
        config: what sandboxes have in common.
        room: bytes that the copy may take.
        mount_namespace: the sandbox's mount namespace.
        path: the directory.

    Returns:
        A store; the directory is its part `r`.
    """
    root_mounts.mount_store(min(config.size, room), config.inodes, for_copy=True)
    os.mkdir("/box/r")
    # By descriptor: the walk then is in the sandbox's mount namespace, while the copy is made in
    # ours.
    folder = _open(mount_namespace, path)
    copy_tree(open_folder(".", folder), open_folder("/box/r"), open_folder("/box/work"))
    return mounts.open_tree("/box")


def mount_folder(config: SandboxConfig, stack: list[int], mount_namespace: int, path: str) -> None:
    """Mount layers over a directory, with a store of their own over them.

    Args:
        config: what sandboxes have in common.
        stack: layers; none for an empty directory.
        mount_namespace: the sandbox's mount namespace.
        path: the directory.

    Raises:
        OSError: `EPERM` for a path that is not one for this.
    """
    root_mounts.mount_store(config.size, config.inodes)
    root_mounts.mount_layers("r", "/root", config.layers, stack, "../empty", source=IMAGE_SOURCE)
    _move_to(mount_namespace, path)


def mount_root(config: SandboxConfig, stack: list[int], mount_namespace: int, path: str) -> None:
    """Mount the root of an image over a directory; arguments as for `mount_folder`."""
    root_mounts.mount_store(config.size, config.inodes)
    trees = config.trees_of(stack, project=False)
    root_mounts.mount_root(trees, config.layers, stack, source=IMAGE_SOURCE)
    root_mounts.mount_trees(trees)
    _move_to(mount_namespace, path)


def _move_to(mount_namespace: int, path: str) -> None:
    """Move what is mounted at `/root` to a directory of a sandbox, which this process enters."""
    tree = mounts.open_tree("/root", recursive=True)
    namespaces.enter(mount_namespace, namespaces.CLONE_NEWNS)
    mount_points.enter(path)
    mounts.move_mount(tree, ".")


def unmount_folder(mount_namespace: int, path: str) -> None:
    """Undo the latest `mount_folder` at a path; nothing runs in the sandbox meanwhile.

    Raises:
        OSError: `EINVAL` if there is none, `EBUSY` if it is in use.
    """
    # Opened here: in the sandbox's mount namespace, /proc shows another pid namespace, in which
    # this process does not exist.
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    namespaces.enter(mount_namespace, namespaces.CLONE_NEWNS)
    if not stat.S_ISDIR(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "no image is mounted there", path)
    os.chdir(path)
    device = os.stat(".").st_dev
    os.chdir("..")
    every = read_mounts(proc)
    images = [one for one in every if one.source == IMAGE_SOURCE]
    found = [one for one in images if one.device == device]
    # A mount has another st_dev than the directory that it is mounted in.
    if not found or os.stat(".").st_dev == device:
        raise OSError(errno.EINVAL, "no image is mounted there", path)
    # What belongs to the root of an image goes with it, and other images do not.
    below = [one for one in every if one.parent == found[0].number]
    whole = below and not any(one in images for one in below)
    flags = mounts.UMOUNT_NOFOLLOW | (mounts.MNT_DETACH if whole else 0)
    try:
        # From beside it, for a program that was woken, by a timer say, can exchange directories
        # above it: a path from the root may by now lead to a mount of ours. A mount point stays.
        mounts.unmount(os.path.basename(found[0].path), flags)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _open(mount_namespace: int, path: str) -> int:
    """Look up a directory in a sandbox, and come back."""
    stage = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    namespaces.enter(mount_namespace, namespaces.CLONE_NEWNS)
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespaces.enter(stage, namespaces.CLONE_NEWNS)
    os.close(stage)
    return folder
