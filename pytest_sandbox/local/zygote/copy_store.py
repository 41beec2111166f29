"""Copying what a sandbox wrote, while everything in it is stopped."""

from __future__ import annotations

from ..filesystem import root_mounts
from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import SandboxConfig


def copy_store(config: SandboxConfig, room: int, store: int) -> int:
    """Copy a store; in a helper that has entered the sandbox.

    Args:
        config: what sandboxes have in common.
        room: bytes that the copy may take.
        store: what the sandbox writes to.

    Returns:
        The copy.
    """
    root_mounts.mount_store(min(config.size, room), config.inodes, for_copy=True)
    # overlayfs alone uses `work`, which is made anew for each mount.
    source, target, links = open_folder(".", store), open_folder("/box"), open_folder("/box/work")
    copy_tree(source, target, links, skip=frozenset({"work"}))
    return mounts.open_tree("/box")
