"""Keeping what a sandbox wrote while it goes on writing: by copying, everything being stopped."""

from __future__ import annotations

from ..filesystem import root_mounts
from ..filesystem.tree_writer import Copy, Planter
from ..filesystem.walk import open_folder, walk
from ..kernel import syscalls as sys_
from . import helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import SandboxConfig


def copy_store(config: SandboxConfig, room: int, mounts: int, store: int) -> int:
    """Copy a store; in a helper.

    Args:
        config: what sandboxes have in common.
        room: bytes that the copy may take.
        mounts: the sandbox's mount namespace.
        store: what it writes to.

    Returns:
        The copy.
    """
    helper.enter(mounts)
    root_mounts.mount_store(min(config.size, room), config.inodes)
    planter = Planter(open_folder("/box"), open_folder("/box/work"))
    walk([open_folder(".", store)], Copy(planter), skip=frozenset({"work"}))
    planter.close()
    return sys_.open_tree("/box")
