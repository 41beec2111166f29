"""Folders of the machine on their way into the stage: opened, hidden in part, and tried.

A folder may be on a file system that overlayfs or idmapped mounts cannot use, or belong to a user
that sandboxes have no id for. Where that is no reason to give up the mode, the folder then shows
read-only, without a layer; or not at all, if part of it has to be hidden, which takes a layer.
"""

from __future__ import annotations

import os

from ..filesystem.hidden_paths import hide
from ..filesystem.host_trees import HostTree
from ..kernel import idmap, mounts
from .trial_overlay import overlay_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.setup import SharedTree

#: What an owner shows as that has no id here: user_namespaces(7), "Unmapped user and group IDs".
_OVERFLOW = 65534


class OpenedFolder:
    """One of them.

    Args:
        number: its name in the stage.
        request: what the engine wants of it.
        shift: first id of the machine that sandboxes use; 0 if they use the zygote's own.
        ids: how many ids a sandbox has.
        userns: a descriptor of a user namespace with ids of sandboxes, if they have others than
            the zygote.

    Attributes:
        path: where it shows in a sandbox.
        read_only: why it has no layer, if it should have one.
        left_out: why it does not show.

    Raises:
        OSError: the kernel refused what cannot be done without.
    """

    def __init__(
        self, number: int, request: SharedTree, shift: int, ids: int, userns: int | None
    ) -> None:
        self.path = request.path
        self._number = number
        self._request = request
        self._shift = shift
        self._ids = ids
        self.read_only = ""
        self.left_out = ""
        self._layered = self._open_for_layer(userns) if request.layer != "never" else None
        self._plain: int | None = None
        if request.layer != "always":
            self._plain = _read_only(request.source)

    def attach(self, stage: str) -> HostTree | None:
        """Attach it in the stage.

        Args:
            stage: where that is put together.

        Returns:
            The tree; `None` if it does not show.
        """
        target = f"{stage}/trees/{self._number}"
        os.mkdir(target)
        hidden = self._request.hidden
        if self._layered is not None:
            mounts.move_mount(self._layered, target)
            os.close(self._layered)
            if hidden:
                hide(f"{stage}/hidden/{self._number}", target, hidden, self._request.kept)
            if self._plain is None or not self._refused(stage):
                self._close_plain()
                return self._tree(layered=True)
            mounts.unmount(target)
        if hidden:
            self.left_out = f"{self.read_only}, so that nothing in it can be hidden"
            self.read_only = ""
            self._close_plain()
            return None
        assert self._plain is not None
        mounts.move_mount(self._plain, target)
        self._close_plain()
        return self._tree(layered=False)

    def _tree(self, *, layered: bool) -> HostTree:
        masked = bool(self._request.hidden)
        request = self._request
        return HostTree(self._number, request.path, request.shown, layered=layered, masked=masked)

    def _open_for_layer(self, userns: int | None) -> int | None:
        """A copy of the mount as the base of overlays; what is mounted below does not show."""
        source = self._request.source
        try:
            tree = (
                mounts.open_tree(source) if userns is None else idmap.shifted_tree(source, userns)
            )
            if userns is not None and not self._shift:
                # It can be mapped, and each sandbox does that for itself.
                os.close(tree)
                tree = mounts.open_tree(source)
        except OSError as error:
            if self._request.layer == "always":
                raise
            self.read_only = f"the kernel cannot use it in an overlay: {error.strerror}"
            return None
        if self._request.layer == "always" or self._request.hidden or self._is_ours(tree):
            return tree
        self.read_only = "it belongs to a user of this machine that sandboxes have no id for"
        os.close(tree)
        return None

    def _is_ours(self, tree: int) -> bool:
        """Whether root of a sandbox can change what its owner can: a file is copied with owner."""
        info = os.fstat(tree)
        return all(
            self._shift <= number < self._shift + self._ids and number != _OVERFLOW
            for number in (info.st_uid, info.st_gid)
        )

    def _refused(self, stage: str) -> bool:
        """Whether overlayfs does not take it as a base."""
        self.read_only = overlay_refusal(f"{stage}/trees/{self._number}", stage)
        return bool(self.read_only)

    def _close_plain(self) -> None:
        if self._plain is not None:
            os.close(self._plain)
            self._plain = None


def _read_only(path: str) -> int:
    # With all that is mounted below: in a user namespace, the kernel does not reveal what mounts
    # hide, mount_namespaces(7).
    tree = mounts.open_tree(path, recursive=True)
    mounts.set_attributes(tree, mounts.MOUNT_ATTR_RDONLY, recursive=True)
    return tree
