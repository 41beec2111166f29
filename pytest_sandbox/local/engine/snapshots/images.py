"""Images, as the engine counts them: stacks of layers, under names."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox.engine import InvalidSpec, StoreFull, UnknownImage

from ...filesystem.layers import MOST
from ..links import zygote_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..links.zygote_link import ZygoteLink

#: Layers by number, the newest first; below them all is the host's image.
Stack = tuple[int, ...]


class Kind(Enum):
    """What an image is of."""

    FILES = "a sandbox's files"
    FOLDER = "a directory"


class Holder(Protocol):
    """Who has a layer."""

    def drop_layer(self, layer: int) -> None:
        """Nothing stands on it any more: free it."""


@dataclass(frozen=True)
class Image:
    """Something that was kept."""

    kind: Kind
    stack: Stack


class Images:
    """All images of an engine, and how many stand on each layer: images and tasks.

    Args:
        capacity: bytes that all layers may take.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._holders: dict[int, list[Holder]] = {}  # of each layer, the first of whom made it
        self._images: dict[str, Image] = {}
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

    def add(self, kind: Kind, stack: Stack) -> str:
        """Name an image."""
        self.hold(stack)
        name = f"{self._engine}-{stack[0]}"
        self._images[name] = Image(kind, stack)
        return name

    def __contains__(self, name: str) -> bool:
        return name == "host" or name in self._images

    def describe(self, name: str) -> Image:
        """What an image is.

        Raises:
            UnknownImage: there is none of that name.
        """
        image = self._images.get(name)
        if image is None:
            raise UnknownImage(f"there is no image {name!r}: it was forgotten, or never was")
        return image

    def find(self, name: str, kind: Kind) -> Stack:
        """The layers of an image; none for the host's.

        Raises:
            UnknownImage: there is none of that name.
            InvalidSpec: it is of another kind.
        """
        if name == "host":
            if kind is not Kind.FILES:
                raise InvalidSpec(f"image 'host' is of {Kind.FILES.value}, not of {kind.value}")
            return ()
        image = self.describe(name)
        if image.kind is not kind:
            raise InvalidSpec(f"image {name!r} is of {image.kind.value}, not of {kind.value}")
        return image.stack

    def forget(self, name: str) -> None:
        """Let go of an image, if there is one of that name."""
        image = self._images.pop(name, None)
        if image is not None:
            self.release(image.stack)

    def frees(self, name: str) -> bool:
        """Whether some layer of an image is there for it alone."""
        image = self._images.get(name)
        return image is None or any(self._users[layer] == 1 for layer in image.stack)

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
    if len(stack) >= MOST:
        raise StoreFull(
            f"{len(stack)} snapshots lie one on another, no more can be kept of this sandbox. "
            "Export the image and load it again, which makes one layer of all",
            forgetting_helps=False,
        )
