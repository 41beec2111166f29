"""Giving a sandbox in which nothing runs a new store, in place.

Its root is mounted anew beside the old one, with what it wrote so far as a layer below; whatever
is mounted elsewhere moves over; then the new root takes the place of the old one, for PID 1 too.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ..filesystem import root_mounts
from ..filesystem.mount_points import LAYERED_SOURCE
from ..kernel import mounts, namespaces
from ..kernel.calls import PreparedCalls
from ..kernel.mountinfo import read_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

    from ..filesystem.host_trees import HostTree
    from ..kernel.mountinfo import MountInfo
    from .config import SandboxConfig


class StoreReplacement:
    """What a helper does for that, which has entered the sandbox; prepared by the zygote.

    Args:
        config: what sandboxes have in common.
        trees: folders of the machine that the sandbox shows.
        stack: layers for the new root, the first of which is the sandbox's old store.
        mount_namespace: the sandbox's mount namespace.
        move: what `to_move` returned.

    Attributes:
        kept: the mount namespace that the helper was in. To free it takes the kernel a wait for all
            processors, for which the sandbox need not wait.
    """

    def __init__(
        self,
        config: SandboxConfig,
        trees: list[HostTree],
        stack: list[int],
        mount_namespace: int,
        move: list[str],
    ) -> None:
        self._config = config
        self._trees = trees
        self._stack = stack
        self._mount_namespace = mount_namespace
        self._paths = move
        self.kept: list[ctypes.c_long] = []

    def prepare(self) -> None:
        """Prepare all the calls of `make`: in the zygote, before the helper is forked."""
        config = self._config
        calls = self._build = PreparedCalls()
        root_mounts.mount_store(config.size, config.inodes, calls)
        root_mounts.mount_root(self._trees, config.layers, self._stack, same=True, calls=calls)
        self._store = mounts.prepare_open_tree("/box", calls)
        # Copies, which belong to no mount namespace: a mount of ours could not be moved into the
        # sandbox's, mount_namespaces(7).
        root = self._root = mounts.prepare_open_tree("/root", calls, recursive=True)
        flags = os.O_RDONLY | os.O_CLOEXEC
        self.kept.append(calls.add_opening("open", "/proc/self/ns/mnt", flags))
        namespaces.enter(self._mount_namespace, namespaces.CLONE_NEWNS, calls)
        mounts.move_mount(root, "/", calls=calls)  # on top of the old root, which is still ours
        calls = self._move = PreparedCalls()
        for path in self._paths:
            mounts.move_mount(mounts.AT_FDCWD, path[1:], source=path, folder=root, calls=calls)
        calls.add("fchdir", root)
        # It also moves the root and current directory of all processes that had the old ones, PID
        # 1's too: pivot_root(2).
        mounts.pivot_root(calls)

    def make(self) -> list[int]:
        """Do it.

        Returns:
            The new store.

        Raises:
            OSError: and the sandbox is as it was.
        """
        self._build.make()
        try:
            self._move.make()
        except OSError:
            self._undo()
            raise
        mounts.unmount(".", mounts.MNT_DETACH)
        return [self._store.value]

    def _undo(self) -> None:
        """Move back what was moved: the sandbox continues as if nothing had been tried."""
        root = self._root.value
        for path in self._paths:
            with contextlib.suppress(OSError):  # it was not moved
                mounts.move_mount(root, path, source=path[1:])
        os.fchdir(root)
        mounts.unmount(".", mounts.MNT_DETACH)


def to_move(pid: int, trees: list[HostTree]) -> list[str]:
    """Paths of what has to move to the new root of a sandbox in which nothing runs.

    Args:
        pid: of its PID 1.
        trees: folders of the machine that it shows.

    Raises:
        OSError: `EBUSY` if it is not a sandbox for this.
    """
    proc = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _to_move(read_mounts(proc), {tree.path for tree in trees if tree.layered})
    finally:
        os.close(proc)


def _to_move(mounts: list[MountInfo], trees: set[str]) -> list[str]:
    """Paths of what is mounted on the root and on trees that are mounted anew with it."""
    anew = {next(mount for mount in mounts if mount.path == "/").number}
    # One tree may lie in another.
    for one in sorted(mounts, key=lambda mount: mount.path):
        if one.parent in anew and one.path in trees:
            anew.add(one.number)
    move = [one for one in mounts if one.parent in anew and one.number not in anew]
    if any(one.source == LAYERED_SOURCE for one in move):
        # A program renamed a directory above it. It would write to the old store as before.
        raise OSError(errno.EBUSY, "a folder of the machine is mounted somewhere else", "")
    paths = [one.path for one in move]
    every = [mount.path for mount in mounts]
    if any(every.count(path) > 1 for path in {*paths, *trees, "/"}):
        raise OSError(errno.EBUSY, "something is mounted on something else's root", "")
    return paths
