"""Mounts of the stage whose owners show as ids of one sandbox: mount_setattr(2), ID-mapped mounts.

In the stage, files belong to the ids that a sandbox has for them: what belongs to 0 there is that
of its root. A process that may do so makes copies of the mounts, mapped to the sandbox's range;
once another one is in the sandbox's user namespace, and has a stage of its own, it attaches them
over the originals.
"""

from __future__ import annotations

import ctypes
import errno
import os

from ..kernel import mounts
from ..kernel.calls import NOW, PreparedCalls
from .layers import IMAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .host_trees import HostTree


def stage_paths(
    trees: Iterable[HostTree], layers: Iterable[int], volumes: Iterable[int], *, image: bool
) -> list[str]:
    """Paths in the stage of what a sandbox is made of, and can write over or to.

    Args:
        trees: folders of the machine that show.
        layers: numbers of those that its root begins with, without those of an image.
        volumes: numbers of those that it has.
        image: whether its root is made of an image.
    """
    layered = [tree for tree in trees if tree.layered]
    return [
        *(("/foreign", IMAGES) if image else ("/skeleton",)),
        *(f"/trees/{tree.number}" for tree in layered),
        *(f"/hidden/{tree.number}" for tree in layered if tree.masked),
        *(f"/layers/{number}" for number in layers),
        *(f"/volumes/{number}" for number in volumes),
    ]


class MappedMounts:
    """Mounts at some paths, to be copied for one sandbox after the other.

    Args:
        paths: in the stage.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._users = ctypes.c_long(-1)
        self._calls = PreparedCalls()
        self._copies = prepare_mapped(paths, self._users, self._calls)

    def copy(self, users: int) -> list[int]:
        """Descriptors of detached copies.

        Args:
            users: a user namespace with the ids that their owners show as.

        Raises:
            OSError: the kernel refused it; not every file system can do it.
        """
        self._users.value = users
        for copy in self._copies:
            copy.value = -1
        try:
            self._calls.make()
        except OSError:
            close_mapped([copy.value for copy in self._copies if copy.value >= 0])
            raise
        return [copy.value for copy in self._copies]


def prepare_mapped(
    paths: Sequence[str], users: int | ctypes.c_long, calls: PreparedCalls
) -> list[ctypes.c_long]:
    """Have `calls` do what `MappedMounts.copy` does."""
    copies = []
    for path in paths:
        copies.append(mounts.prepare_open_tree(path, calls))
        _map(copies[-1], path, users, calls)
    return copies


def _map(copy: ctypes.c_long, path: str, users: int | ctypes.c_long, calls: PreparedCalls) -> None:
    # A layer that is made of the sandbox's own store belongs to its user namespace, and needs no
    # mapping; the kernel refuses one: can_idmap_mount() in fs/namespace.c. That it can map a tmpfs
    # has shown before, at `/skeleton`.
    allowed = (errno.EINVAL,) if path.startswith("/layers/") else ()
    mounts.set_attributes(copy, mounts.MOUNT_ATTR_IDMAP, userns=users, allowed=allowed, calls=calls)


def attach_mapped(
    paths: Sequence[str],
    copies: Sequence[int | ctypes.c_int | ctypes.c_long],
    calls: PreparedCalls = NOW,
) -> None:
    """Mount copies over the originals, in a stage of one's own, and close them.

    Raises:
        OSError: the kernel refused it.
    """
    for path, copy in zip(paths, copies, strict=True):
        mounts.move_mount(copy, path, calls=calls)
        calls.add("close", copy)


def close_mapped(copies: list[int]) -> None:
    """Free copies that are not needed."""
    for copy in copies:
        os.close(copy)
