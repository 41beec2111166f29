"""Images of registries on the nodes of a cluster: each is unpacked where it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox.engine import SupportsImages, UnknownImage

if TYPE_CHECKING:
    from pytest_sandbox.engine import OciImage

    from .placer import Node


class ClusterImages:
    """The images of a cluster."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._unpacked: dict[Node, set[str]] = {}

    async def unpack(self, node: Node, image: OciImage) -> None:
        """Have an image ready on a node; on others, with their first sandbox of it."""
        await self._unpack_on(node, image)
        self._known.add(image.digest)

    async def bring(self, node: Node, image: OciImage) -> None:
        """Have an image ready on a node that a sandbox of it is to be on.

        Raises:
            UnknownImage: it was unpacked nowhere.
        """
        if image.digest not in self._known:
            raise UnknownImage(f"{image} was not unpacked")
        await self._unpack_on(node, image)

    async def _unpack_on(self, node: Node, image: OciImage) -> None:
        there = self._unpacked.setdefault(node, set())
        if image.digest not in there:
            await SupportsImages.of(node.engine).unpack(image)
            there.add(image.digest)

    def lose(self, node: Node) -> None:
        """Forget what was on a node that is gone."""
        self._unpacked.pop(node, None)
