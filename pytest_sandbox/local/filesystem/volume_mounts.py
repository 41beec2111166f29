"""Volumes: folders that sandboxes share, each a tmpfs in the zygote's stage, at `/volumes/N`.

A sandbox that starts finds them in its copy of the stage, takes those that it is to have, and
mounts them when only its own root can be seen. Letting go of one is unmounting it: those who have
it keep it. All die with the zygote.
"""

from __future__ import annotations

import os

from ..kernel import syscalls as sys_
from . import mount_points, root_mounts
from .layers import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.zygote import MountedVolume


class Volumes:
    """The volumes of one zygote, by the numbers that the engine gives them.

    Args:
        size: bytes that each may hold.
        inodes: files that each may hold.
        owner: the zygote's id for the root of a sandbox.
    """

    def __init__(self, size: int, inodes: int, owner: int) -> None:
        self._size = size
        self._inodes = inodes
        self._owner = owner
        self._there: set[int] = set()

    def provide(self, mounts: list[MountedVolume]) -> None:
        """Make those that a sandbox is to have and that are not there yet."""
        for number in [mount.number for mount in mounts]:
            if number not in self._there:
                path = f"/volumes/{number}"
                os.makedirs(path, 0o755, exist_ok=True)  # another attempt may have got so far
                root_mounts.tmpfs(path, self._size, self._inodes, 0o755)
                os.chown(path, self._owner, self._owner)
                self._there.add(number)

    def usage(self, number: int) -> int:
        """Bytes that one takes; none if there never was a sandbox that had it."""
        return usage(f"/volumes/{number}") if number in self._there else 0

    def unmount(self, number: int) -> None:
        """Let go of one. Blocks while the kernel frees it, if no sandbox has it."""
        if number in self._there:
            sys_.umount(f"/volumes/{number}", sys_.MNT_DETACH)

    def forget(self, number: int) -> None:
        """It is unmounted."""
        if number in self._there:
            self._there.remove(number)
            os.rmdir(f"/volumes/{number}")


def take(mounts: list[MountedVolume]) -> list[tuple[int, str]]:
    """Copies of the mounts that a sandbox is to have, and where, while the stage can be seen."""
    taken = []
    for mount in mounts:
        tree = sys_.open_tree(f"/volumes/{mount.number}")
        if mount.read_only:
            sys_.mount_setattr(tree, sys_.MOUNT_ATTR_RDONLY)
        taken.append((tree, mount.path))
    return taken


def attach(taken: list[tuple[int, str]]) -> None:
    """Mount them in the sandbox's root, from which no link leads out.

    Raises:
        OSError: `EPERM` for a path that is not one for this.
    """
    for tree, path in taken:
        os.makedirs(path, exist_ok=True)
        mount_points.enter(path)
        sys_.move_mount(tree, ".", name=path)
        os.close(tree)
    os.chdir("/")
