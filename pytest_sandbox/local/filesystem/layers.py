"""Layers: what sandboxes wrote, in the zygote's stage, as the base of other sandboxes.

A layer is a whole store (`root_mounts` says what is in one), a tmpfs, attached at `/layers/N`. No
sandbox writes to it any more; one that starts finds it in its copy of the stage. A layer is freed
by unmounting it: nothing is ever deleted by name. All end with the zygote.

A layer of an image is a directory on disk, below `/images`, and `/layers/N/r` is a link to it. In a
stack it is below all that sandboxes wrote, and has the files of `foreign_skeleton` around it.
"""

from __future__ import annotations

import errno
import os

from ..kernel import mounts, overlayfs, tmpfs
from ..protocol.forker import LayerParts

#: Layers that one sandbox may have below it.
MAX_LAYERS = overlayfs.MAX_LOWER
#: The number of a layer that no sandbox has: what can be done ahead is tried with it.
TRIAL = 0
#: Where the stage has the folder with unpacked layers of images.
IMAGES = "/images"
#: The name of a file beside an unpacked layer that does not have the directory of all files.
NO_ROOT = "no-root"
#: Where it has what shows over and under those, relative to `/layers`.
_OVER, _UNDER = "../foreign/over", "../foreign/under"
#: A store that is larger is freed by a process of its own: that takes 0.5 ms per MiB.
_QUICK_TO_FREE = 4 << 20


class Layers:
    """The layers of one zygote, by the numbers that the engine gives them."""

    def __init__(self) -> None:
        self._names: dict[int, frozenset[str]] = {}  # of each layer, its parts
        self._parts: dict[int, frozenset[str]] = {}  # of each layer, those that hold anything
        self._unpacked: set[int] = set()  # those of images
        self._without_root: set[int] = set()

    @property
    def numbers(self) -> frozenset[int]:
        """Those there are."""
        return frozenset(self._names)

    @classmethod
    def described(cls, stack: list[LayerParts]) -> Layers:
        """Layers as another process describes them, which shares its stage."""
        layers = cls()
        for each in stack:
            layers._names[each.number] = frozenset(each.names)
            layers._parts[each.number] = frozenset(each.filled)
        layers._unpacked = {each.number for each in stack if each.unpacked}
        layers._without_root = {each.number for each in stack if each.no_root}
        return layers

    def describe(self, stack: list[int]) -> list[LayerParts]:
        """Some of the layers, for `described`.

        Raises:
            OSError: there is no such layer.
        """
        try:
            return [
                LayerParts(
                    number=number,
                    names=sorted(self._names[number]),
                    filled=sorted(self._parts[number]),
                    unpacked=number in self._unpacked,
                    no_root=number in self._without_root,
                )
                for number in stack
            ]
        except KeyError as error:
            raise OSError(errno.ENOENT, f"there is no layer {error}", "") from None

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

    def add_unpacked(self, number: int, folder: str) -> None:
        """Make a layer of an unpacked one of an image.

        Args:
            number: the number that it gets.
            folder: of it, relative to the folder of them all.

        Raises:
            OSError: the kernel refused it.
        """
        path = f"/layers/{number}"
        os.mkdir(path, 0o755)
        try:
            os.symlink(f"{IMAGES}/{folder}", f"{path}/r")
        except OSError:
            os.rmdir(path)
            raise
        self._unpacked.add(number)
        if os.path.lexists(f"{IMAGES}/{os.path.dirname(folder)}/{NO_ROOT}"):
            self._without_root.add(number)
        self._names[number] = self._parts[number] = frozenset({"r"})

    def are_of_image(self, stack: list[int]) -> bool:
        """Whether a stack begins with an image, instead of the view of the machine."""
        return bool(stack) and stack[-1] in self._unpacked

    def stores(self, stack: list[int]) -> list[int]:
        """The layers of a stack that sandboxes wrote."""
        return [number for number in stack if number not in self._unpacked]

    def open(self, number: int) -> int:
        """A descriptor of a detached copy of a layer's mount, as `attach` takes it."""
        return mounts.open_tree(f"/layers/{number}")

    def unmount(self, number: int) -> None:
        """Unmount a layer. Sandboxes that use it keep it.

        Blocks while the kernel frees it, if no sandbox does.
        """
        if number in self._unpacked:
            return
        # Detached: sandboxes have copies of the mount in their own namespaces, and the stage's may
        # be in use by a helper: umount2(2).
        mounts.unmount(f"/layers/{number}", mounts.MNT_DETACH)

    def forget(self, number: int) -> None:
        """Forget a layer that is unmounted, perhaps by a helper."""
        del self._parts[number], self._names[number]
        if number in self._unpacked:
            self._unpacked.remove(number)
            self._without_root.discard(number)
            os.unlink(f"/layers/{number}/r")
        os.rmdir(f"/layers/{number}")

    def usage(self, number: int) -> int:
        """Bytes of memory that a layer takes."""
        return 0 if number in self._unpacked else tmpfs.usage(f"/layers/{number}")

    def has(self, number: int, part: str) -> bool:
        """Whether a layer has a part, if only an empty one.

        It has none for a folder of the machine that had no layer where it was made.
        """
        return part in self._names[number]

    def topmost(self, stack: list[int], part: str) -> int | None:
        """The layer whose directory of a part has the attributes that it is to show with.

        Layers of an image that do not have the directory of all files say nothing of it.
        """
        having = [number for number in stack if self.has(number, part)]
        saying = (number for number in having if number not in self._without_root)
        return next(saying, having[0] if having else None)

    def lower(self, stack: list[int], part: str, base: str) -> str:
        """Lower directories for overlayfs, relative to `/layers`.

        Args:
            stack: numbers, the newest first.
            part: of each layer; layers in which it is empty are left out.
            base: below all of them, unless the stack begins with an image.
        """
        paths = [f"{n}/{part}" for n in stack if part in self._parts[n]]
        if part == "r" and self.are_of_image(stack):
            image = sum(number in self._unpacked for number in stack)
            return ":".join([*paths[:-image], _OVER, *paths[-image:], _UNDER])
        return ":".join([*paths, base])


def trial(parts: list[str]) -> LayerParts:
    """The layer of that number, with parts that hold nothing."""
    return LayerParts(number=TRIAL, names=parts, filled=parts[:1], unpacked=False, no_root=False)


def make_trial(stage: str, parts: list[str]) -> None:
    """Make what that layer takes in the stage, which is not the root yet."""
    for part in ("", *parts):
        os.mkdir(f"{stage}/layers/{TRIAL}/{part}", 0o755)


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
