"""Layers: what sandboxes wrote, in the zygote's stage, as the base of other sandboxes.

A layer is a whole store (`root_mounts` says what is in one), a tmpfs, attached at `/layers/N`. No
sandbox writes to it any more; one that starts finds it in its copy of the stage. A layer is freed
by unmounting it: nothing is ever deleted by name. All end with the zygote.
"""

from __future__ import annotations

import errno
import os

from ..kernel import mounts, overlayfs, tmpfs

#: Layers that one sandbox may have below it.
MAX_LAYERS = overlayfs.MAX_LOWER
#: A store that is larger is freed by a process of its own: that takes 0.5 ms per MiB.
_QUICK_TO_FREE = 4 << 20


class Layers:
    """The layers of one zygote, by the numbers that the engine gives them."""

    def __init__(self) -> None:
        self._names: dict[int, frozenset[str]] = {}  # of each layer, its parts
        self._parts: dict[int, frozenset[str]] = {}  # of each layer, those that hold anything

    def attach(self, number: int, store: int) -> None:
        """Make a layer of a detached store.

        Raises:
            OSError: the kernel refused it.
        """
        path = f"/layers/{number}"
        os.mkdir(path, 0o755)
        try:
            mounts.move_mount(store, path)
        except OSError:
            os.rmdir(path)
            raise
        names = self._names[number] = frozenset(os.listdir(path)) - {"work"}
        self._parts[number] = frozenset(name for name in names if os.listdir(f"{path}/{name}"))

    def open(self, number: int) -> int:
        """A descriptor of a detached copy of a layer's mount, as `attach` takes it."""
        return mounts.open_tree(f"/layers/{number}")

    def unmount(self, number: int) -> None:
        """Unmount a layer. Sandboxes that use it keep it.

        Blocks while the kernel frees it, if no sandbox does.
        """
        # Detached: sandboxes have copies of the mount in their own namespaces, and the stage's may
        # be in use by a helper: umount2(2).
        mounts.unmount(f"/layers/{number}", mounts.MNT_DETACH)

    def forget(self, number: int) -> None:
        """Forget a layer that is unmounted, perhaps by a helper."""
        del self._parts[number], self._names[number]
        os.rmdir(f"/layers/{number}")

    def usage(self, number: int) -> int:
        """Bytes that a layer takes."""
        return tmpfs.usage(f"/layers/{number}")

    def has(self, number: int, part: str) -> bool:
        """Whether a layer has a part, if only an empty one.

        It has none for a folder of the machine that had no layer where it was made.
        """
        return part in self._names[number]

    def lower(self, stack: list[int], part: str, base: str) -> str:
        """Lower directories for overlayfs, relative to `/layers`.

        Args:
            stack: numbers, the newest first.
            part: of each layer; layers in which it is empty are left out.
            base: below all of them.
        """
        return ":".join([*(f"{n}/{part}" for n in stack if part in self._parts[n]), base])


def is_quick_to_free(size: int) -> bool:
    """Whether the zygote itself can free a store of `size` bytes while others wait for it."""
    return size <= _QUICK_TO_FREE


def check_room(size: int, room: int) -> None:
    """Refuse a layer of `size` bytes where `room` bytes are left.

    Raises:
        OSError: `ENOSPC`.
    """
    if size > room:
        raise OSError(errno.ENOSPC, f"it takes {size} bytes, {max(0, room)} are left", "")
