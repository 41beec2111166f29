"""What overlayfs would show of unpacked layers, for the layer that comes on top of them."""

from __future__ import annotations

import os
import stat

from ...kernel import overlayfs
from ..walk import open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    Parts = tuple[str, ...]


class LayersBelow:
    """Some unpacked layers.

    Args:
        roots: descriptors of their directories, the topmost first.
    """

    def __init__(self, roots: list[int]) -> None:
        self._roots = roots

    def find(self, parts: Parts) -> tuple[int, os.stat_result] | None:
        """What shows at a path; no link is followed.

        Returns:
            A descriptor of the directory of the layer which has it, and what it is; `None` if
            nothing shows there.
        """
        folders = [os.dup(root) for root in self._roots]
        for name in parts[:-1]:
            below = _merged(name, folders)
            _close(folders)
            folders = below
        try:
            for folder in folders:
                info = _seen(name := parts[-1], folder)
                if info is not None:
                    return None if overlayfs.is_whiteout(info) else (os.dup(folder), info)
            return None
        finally:
            _close(folders)


def is_opaque(folder: int) -> bool:
    """Whether nothing shows in a directory that is in lower layers."""
    return overlayfs.OPAQUE in os.listxattr(folder)


def _merged(name: str, folders: list[int]) -> list[int]:
    """The directories of this name in some directories, as far as they are merged."""
    found: list[int] = []
    for folder in folders:
        info = _seen(name, folder)
        if info is None:
            continue
        if not stat.S_ISDIR(info.st_mode):
            break
        found.append(open_folder(name, folder))
        if is_opaque(found[-1]):
            break
    return found


def _seen(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


def _close(folders: list[int]) -> None:
    for folder in folders:
        os.close(folder)
