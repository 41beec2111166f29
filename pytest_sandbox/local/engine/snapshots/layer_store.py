"""Snapshots of files and directories, as the engine counts them: each is a stack of layers.

A layer is what one sandbox wrote (`filesystem.layers`); the zygote that made it holds it. It is
freed when no snapshot and no sandbox depends on it any more, so the engine counts these.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import secrets
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox.engine import (
    AnySnapshot,
    DirectorySnapshot,
    Host,
    OciImage,
    RootImage,
    Snapshot,
    StoreFull,
    UnknownImage,
)

from ...filesystem.layers import MAX_LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..links.zygote_link import ZygoteLink

#: Layers by number, the newest first; below them all is the host's image.
Stack = tuple[int, ...]


class LayerOwner(Protocol):
    """Something that holds a layer."""

    def drop_layer(self, layer: int) -> None:
        """Free a layer: nothing depends on it any more."""


class LayerStore:
    """All layers and snapshots of an engine.

    Args:
        capacity: bytes that all layers may take.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._owners: dict[int, list[LayerOwner]] = {}
        self._makers: dict[int, ZygoteLink] = {}
        self._stacks: dict[AnySnapshot, Stack] = {}
        self._dependents: collections.Counter[int] = collections.Counter()
        self._sizes: dict[int, int] = {}
        self._images: dict[str, Stack] = {}  # by digest
        self._folders: dict[int, str] = {}  # of layers of images, on disk
        self._numbers = itertools.count(1)
        self._sharing = asyncio.Lock()
        self._engine = secrets.token_hex(4)  # no other engine has snapshots of our names

    @property
    def layers(self) -> int:
        """How many layers there are, without those of images."""
        return len(self._sizes) - len(self._folders)

    @property
    def room(self) -> int:
        """Bytes that are left for layers."""
        return max(0, self._capacity - sum(self._sizes.values()))

    def new_layer(self) -> int:
        """A number for a layer that is about to be made."""
        return next(self._numbers)

    def layer_made(self, layer: int, size: int, maker: ZygoteLink) -> None:
        """Add a layer that a zygote made, on which nothing depends yet."""
        self._makers[layer] = maker
        self.memory_made(layer, size, maker)

    def image_layer_made(self, layer: int, folder: str, maker: ZygoteLink) -> None:
        """Add a layer of an image that a zygote has: it is on disk, and stays.

        Args:
            layer: its number.
            folder: relative to that of all images.
            maker: the zygote.
        """
        self._folders[layer] = folder
        self.layer_made(layer, 0, maker)
        self.hold((layer,))

    def add_image(self, image: OciImage, stack: Stack) -> None:
        """Register the layers of an image."""
        self._images[image.digest] = stack

    def has_image(self, image: OciImage) -> bool:
        """Whether the layers of an image are registered."""
        return image.digest in self._images

    def split(self, stack: Stack) -> tuple[Stack, list[str]]:
        """What sandboxes wrote of a stack, and the folders of the layers of an image below."""
        folders = [self._folders[layer] for layer in stack if layer in self._folders]
        return stack[: len(stack) - len(folders)], folders

    def is_of_image(self, image: RootImage) -> bool:
        """Whether the files of an image are those of another distribution, with changes perhaps.

        Raises:
            UnknownImage: there is no such snapshot.
        """
        stack = self.stack(image)
        return bool(stack) and stack[-1] in self._folders

    def memory_made(self, layer: int, size: int, owner: LayerOwner) -> None:
        """Add what is no layer of files, but counts like one: the memory of processes."""
        self._sizes[layer] = size
        self._owners[layer] = [owner]

    async def share(self, stack: Stack, zygote: ZygoteLink) -> None:
        """Let a zygote have layers that other zygotes made.

        Something must depend on them meanwhile: see `depending`.

        Raises:
            OSError: the kernel refused it.
            EngineUnavailable: a zygote died.
        """
        # One at a time, else two tasks would attach a layer twice in the same zygote.
        async with self._sharing:
            for layer in stack:
                owners = self._owners[layer]
                if zygote not in owners and layer in self._folders:
                    await zygote.add_image_layer(layer, self._folders[layer])
                    owners.append(zygote)
                elif zygote not in owners:
                    maker = self._makers[layer]
                    await zygote.take_layer(layer, await maker.lend_layer(layer), maker)
                    owners.append(zygote)

    def size(self, layer: int) -> int:
        """Bytes that a layer takes."""
        return self._sizes[layer]

    def add(self, stack: Stack, number: int = 0) -> Snapshot:
        """Register the layers of a snapshot of all files.

        Args:
            stack: these.
            number: for its name; that of its topmost layer if not given.
        """
        snapshot = Snapshot(f"{self._engine}-{number or stack[0]}")
        self._add(snapshot, stack)
        return snapshot

    def add_directory(self, layer: int) -> DirectorySnapshot:
        """Register the layer of a snapshot of a directory."""
        snapshot = DirectorySnapshot(f"{self._engine}-{layer}")
        self._add(snapshot, (layer,))
        return snapshot

    def stack(self, image: RootImage | DirectorySnapshot) -> Stack:
        """The layers of an image; none for the host's.

        Raises:
            UnknownImage: there is no such snapshot.
        """
        if isinstance(image, Host):
            return ()
        if isinstance(image, OciImage):
            stack = self._images.get(image.digest)
        else:
            stack = self._stacks.get(image)
        if stack is None:
            raise UnknownImage(
                f"there is no image {str(image)!r}: it was forgotten, or never existed"
            )
        return stack

    def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; an unknown one is fine."""
        stack = self._stacks.pop(snapshot, None)
        if stack is not None:
            self.release(stack)

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free some layer now."""
        stack = self._stacks.get(snapshot)
        return stack is None or any(self._dependents[layer] == 1 for layer in stack)

    def hold(self, stack: Stack) -> None:
        """Count one more that depends on these layers."""
        self._dependents.update(stack)

    def release(self, stack: Stack) -> None:
        """Count one less, and free the layers on which nothing depends any more."""
        for layer in stack:
            self._dependents[layer] -= 1
            if not self._dependents[layer]:
                del self._dependents[layer], self._sizes[layer]
                self._makers.pop(layer, None)
                for owner in self._owners.pop(layer):
                    owner.drop_layer(layer)

    @contextlib.contextmanager
    def depending(self, stack: Stack) -> Iterator[Stack]:
        """Depend on these layers while inside."""
        self.hold(stack)
        try:
            yield stack
        finally:
            self.release(stack)

    def _add(self, snapshot: AnySnapshot, stack: Stack) -> None:
        self.hold(stack)
        self._stacks[snapshot] = stack


def check_depth(stack: Stack) -> None:
    """Refuse a layer over this stack.

    Raises:
        StoreFull: overlayfs takes no more.
    """
    if len(stack) >= MAX_LAYERS:
        raise StoreFull(
            f"this sandbox already has {len(stack)} layers of snapshots, the most that overlayfs "
            "takes. Export a snapshot and load it again, which makes one layer of all",
            forgetting_helps=False,
        )
