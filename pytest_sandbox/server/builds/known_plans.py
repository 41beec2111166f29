"""Definitions that were read before: most are asked for again, for each sandbox."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sandbox._proto import images_pb2

    from ..model.images import ImageRecord, ImageRegistry
    from .plan import Plan

#: Definitions that are remembered, and bytes of one that is.
_MOST = 1000
_LARGEST = 64 * 1024


class KnownPlans:
    """The keys of plans, by their definitions.

    Args:
        images: those that were built.
    """

    def __init__(self, images: ImageRegistry) -> None:
        self._images = images
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    def image(self, definition: images_pb2.Image) -> ImageRecord | None:
        """The image of a definition, if it is built; else it has to be read."""
        key = self._keys.get(definition.SerializeToString(deterministic=True))
        return None if key is None else self._images.built(key)

    def add(self, definition: images_pb2.Image, plan: Plan) -> None:
        """Remember what a definition means, if it means the same later."""
        # A secret may get other values under its id.
        if definition.secret_ids or not plan.stays or definition.ByteSize() > _LARGEST:
            return
        name = definition.SerializeToString(deterministic=True)
        self._keys[name] = plan.key
        self._keys.move_to_end(name)
        if len(self._keys) > _MOST:
            self._keys.popitem(last=False)
