"""The folder with unpacked layers of images, on its way into the stage."""

from __future__ import annotations

import os

from ...filesystem.layers import IMAGES
from ...kernel import idmap, mounts
from ..trial_overlay import overlay_refusal


class OpenedImages:
    """That folder, if there is one.

    Args:
        path: on the machine; empty if there is none.
        shift: first id of the machine that sandboxes use, if the folder is to be mapped for all of
            them; else 0.
        userns: a descriptor of a user namespace with ids of sandboxes, if they have others than
            the zygote.

    Attributes:
        refused: why no sandbox can be made of it; empty if it can.
    """

    def __init__(self, path: str, shift: int, userns: int | None) -> None:
        self._tree: int | None = None
        self.refused = "" if path else "there is no folder for them that is this user's"
        if not path:
            return
        try:
            tree = mounts.open_tree(path) if userns is None else idmap.shifted_tree(path, userns)
            if userns is not None and not shift:
                # It can be mapped, and each sandbox does that for itself.
                os.close(tree)
                tree = mounts.open_tree(path)
            self._tree = tree
        except OSError as error:
            self.refused = f"the kernel cannot map the owners of files in {path}: {error.strerror}"

    def attach(self, stage: str) -> None:
        """Attach it in the stage, if overlayfs takes it for a lower layer.

        Args:
            stage: where that is put together.
        """
        if self._tree is None:
            return
        target = stage + IMAGES
        mounts.move_mount(self._tree, target)
        os.close(self._tree)
        self._tree = None
        if reason := overlay_refusal(target, stage):
            self.refused = reason
            mounts.unmount(target)
