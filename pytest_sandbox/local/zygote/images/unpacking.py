"""Unpacking layers of images to disk, and removing them; in helpers.

A layer is hostile: here the helper, which has entered the user namespace of sandboxes, has only the
rights of a sandbox's root, and its root is the directory of the layer, so that no name in it can
lead anywhere else. Owners are numbers of the
sandbox: in the modes of the machine's root, an idmapped mount stores them as they are.
"""

from __future__ import annotations

import errno
import os

from pytest_sandbox._shared.tar.member import TarError
from pytest_sandbox._shared.trees.tree_remover import remove_tree

from ...filesystem.images.layers_below import LayersBelow
from ...filesystem.images.member_attributes import Owners
from ...filesystem.images.unpack_layer import unpack_layer
from ...filesystem.layers import IMAGES
from ...filesystem.walk import open_folder
from ...kernel import mounts
from ...protocol.images import LayerUnpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...protocol.images import UnpackRequest

_CHUNK = 256 * 1024


def unpack(request: UnpackRequest, pipe: int, ids: int) -> LayerUnpacked:
    """Unpack a layer.

    Args:
        request: the engine's.
        pipe: the tar.
        ids: how many ids a sandbox has.

    Raises:
        OSError: see `UnpackRequest`.
    """
    below = LayersBelow([open_folder(f"{IMAGES}/{folder}") for folder in request.below])
    root = _enter(request.folder)
    with os.fdopen(pipe, "rb", buffering=_CHUNK) as source:
        try:
            done = unpack_layer(source.read, root, below, Owners(ids), request.most)
        except TarError as error:
            raise OSError(errno.EINVAL, str(error), "") from error
        while source.read(_CHUNK):
            pass  # what is behind the end of the tar counts for its digest
    return LayerUnpacked(size=done.size, borrowed=done.borrowed, opaque=done.opaque, root=done.root)


def remove(folder: str) -> None:
    """Remove an unpacked layer.

    Args:
        folder: relative to the folder of them all.

    Raises:
        OSError: what the kernel said.
    """
    root = _enter(folder)
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        remove_tree(name, root)


def _enter(folder: str) -> int:
    """Make an unpacked layer the root, alone; returns a descriptor of it."""
    mounts.move_mount(mounts.open_tree(f"{IMAGES}/{folder}"), "/root")
    os.chdir("/root")
    mounts.change_root()
    return open_folder("/")
