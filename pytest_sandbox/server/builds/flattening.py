"""Images of many layers get a snapshot of few, once sandboxes are made of them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from grpclib import GRPCError

from pytest_sandbox.engine import EngineError, Snapshot, SupportsFlatten

from ..async_helpers import start

if TYPE_CHECKING:
    from ..model.images import ImageRecord
    from ..model.state import State
    from .stored_layers import StoredLayers

log = logging.getLogger(__name__)

#: Images of which it is remembered that they were looked at.
_REMEMBERED = 10_000


class Flattener:
    """Has the engine flatten the images of one server, in the background.

    Args:
        state: the server's.
        stored: gets the flat ones for later runs; `None` if nothing is stored.
    """

    def __init__(self, state: State, stored: StoredLayers | None) -> None:
        self._state = state
        self._stored = stored
        self._seen: dict[str, None] = {}
        self.running: set[asyncio.Future[None]] = set()

    def used(self, image: ImageRecord) -> None:
        """A sandbox is made of an image: others will be."""
        if not image.is_built or image.snapshot_id in self._seen:
            return
        if not isinstance(self._state.engine, SupportsFlatten):
            return
        self._seen[image.snapshot_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        running = start(self._flatten(self._state.engine, image))
        self.running.add(running)
        running.add_done_callback(self.running.discard)

    async def _flatten(self, engine: SupportsFlatten, image: ImageRecord) -> None:
        snapshot = image.engine_image
        if not isinstance(snapshot, Snapshot):
            return
        try:
            with self._state.snapshot_store.pinned(image.snapshot_id):
                flat = await engine.flatten(snapshot)
        except (GRPCError, EngineError, OSError) as error:
            log.info("the image %s is used as it is: %s", image.id, error)
            return
        if flat == snapshot:
            return
        images = self._state.images
        images.flattened(image, flat)
        now = images.get(image.id)
        self._seen[now.snapshot_id] = None
        if self._stored is not None and image.lasting:
            self._stored.store_soon(image.key, now, None, None)

    async def close(self) -> None:
        """End what is under way."""
        for each in self.running:
            each.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
