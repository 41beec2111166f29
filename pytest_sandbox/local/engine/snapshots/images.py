"""Snapshots of files and directories, as the engine counts them: each a stack of layers."""

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
    RootImage,
    Snapshot,
    StoreFull,
    UnknownImage,
)

from ...filesystem.layers import MAX_LAYERS
from ..links import zygote_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..links.zygote_link import ZygoteLink

#: Layers by number, the newest first; below them all is the host's image.
Stack = tuple[int, ...]


class Holder(Protocol):
    """Who has a layer."""

    def drop_layer(self, layer: int) -> None:
        """Nothing stands on it any more: free it."""


class Images:
    """All snapshots of an engine, and how many snapshots and tasks depend on each layer.

    Args:
        capacity: bytes that all layers may take.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._holders: dict[int, list[Holder]] = {}  # of each layer, the first of whom made it
        self._stacks: dict[AnySnapshot, Stack] = {}
        self._users: collections.Counter[int] = collections.Counter()
        self._sizes: dict[int, int] = {}
        self._numbers = itertools.count(1)
        self._bringing = asyncio.Lock()
        self._engine = secrets.token_hex(4)  # no other engine has images of our names

    @property
    def layers(self) -> int:
        """How many there are."""
        return len(self._sizes)

    @property
    def room(self) -> int:
        """Bytes that are left for layers."""
        return max(0, self._capacity - sum(self._sizes.values()))

    def new_layer(self) -> int:
        """A number for a layer that is about to be made."""
        return next(self._numbers)

    def made(self, layer: int, size: int, holder: Holder) -> None:
        """A layer was made, on which nothing stands yet."""
        self._sizes[layer] = size
        self._holders[layer] = [holder]

    async def bring(self, stack: Stack, zygote: ZygoteLink) -> None:
        """Let a zygote have layers that others made; something must stand on them.

        Raises:
            OSError: what the kernel said.
            EngineUnavailable: a zygote died.
        """
        async with self._bringing:
            for layer in stack:
                holders = self._holders[layer]
                if zygote not in holders:
                    maker = holders[0]
                    assert isinstance(maker, zygote_link.ZygoteLink)
                    await zygote.take_layer(layer, await maker.lend_layer(layer), maker)
                    holders.append(zygote)

    def add(self, stack: Stack) -> Snapshot:
        """Register the layers of a snapshot of all files."""
        snapshot = Snapshot(f"{self._engine}-{stack[0]}")
        self._add(snapshot, stack)
        return snapshot

    def add_directory(self, layer: int) -> DirectorySnapshot:
        """Register the layer of a snapshot of a directory."""
        snapshot = DirectorySnapshot(f"{self._engine}-{layer}")
        self._add(snapshot, (layer,))
        return snapshot

    def _add(self, snapshot: AnySnapshot, stack: Stack) -> None:
        self.hold(stack)
        self._stacks[snapshot] = stack

    def stack(self, image: RootImage | DirectorySnapshot) -> Stack:
        """The layers of an image; none for the host's.

        Raises:
            UnknownImage: there is no such snapshot.
        """
        if isinstance(image, Host):
            return ()
        stack = self._stacks.get(image)
        if stack is None:
            raise UnknownImage(f"there is no image {image.name!r}: it was forgotten, or never was")
        return stack

    def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; an unknown one is fine."""
        stack = self._stacks.pop(snapshot, None)
        if stack is not None:
            self.release(stack)

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether nothing but this snapshot depends on some layer of it."""
        stack = self._stacks.get(snapshot)
        return stack is None or any(self._users[layer] == 1 for layer in stack)

    def hold(self, stack: Stack) -> None:
        """Something stands on these layers."""
        self._users.update(stack)

    @contextlib.contextmanager
    def holding(self, stack: Stack) -> Iterator[Stack]:
        """Something stands on these layers for a while."""
        self.hold(stack)
        try:
            yield stack
        finally:
            self.release(stack)

    def release(self, stack: Stack) -> None:
        """Something does not stand on these layers any more."""
        for layer in stack:
            self._users[layer] -= 1
            if not self._users[layer]:
                del self._users[layer], self._sizes[layer]
                for holder in self._holders.pop(layer):
                    holder.drop_layer(layer)


def check_depth(stack: Stack) -> None:
    """Refuse a layer over this stack.

    Raises:
        StoreFull: overlayfs takes no more.
    """
    if len(stack) >= MAX_LAYERS:
        raise StoreFull(
            f"{len(stack)} snapshots lie one on another, no more can be kept of this sandbox. "
            "Export the image and load it again, which makes one layer of all",
            forgetting_helps=False,
        )
