"""Images that outlive the engine: stored on disk under a key, and loaded again."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import IO, Any

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import InvalidSpec, Snapshot, SupportsExport

from ..async_helpers import closing
from ..model.images import Image
from ..model.state import State
from ..rpc.dispatch import Call, once
from ..rpc.errors import invalid, unimplemented
from ..snapshots.disk_cache import CHUNK, Entry, ImageCache, is_whole

log = logging.getLogger(__name__)

#: What an image tells of itself besides its files.
_ABOUT = ("env", "workdir", "entrypoint", "cmd")


class KeptImages:
    """The RPCs that store and load images."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def ImageKeep(self, request: pb.ImageKeepRequest, call: Call) -> pb.ImageKeepResponse:
        """Store an image under a key, in place of what is stored under it."""
        image = self._state.images.get(request.image_id)
        snapshot = image.engine_image
        if not image.kept or not isinstance(snapshot, Snapshot):
            raise invalid(f"Image {image.id!r} is no snapshot of a filesystem, so it is not kept")
        if not self._state.info.fingerprint:
            raise unimplemented(
                f"the images of the engine {self._state.info.name!r} do not outlive it"
            )
        with self._state.shelf.pinned(image.kept):
            await finish(self._store(self._key(request.key), image, snapshot))
        return pb.ImageKeepResponse()

    async def _store(self, key: str, image: Image, snapshot: Snapshot) -> None:
        exporter = SupportsExport.of(self._state.engine)
        cache = ImageCache.of_environment(os.environ)
        writer = await asyncio.to_thread(cache.writer)
        try:
            async with closing(exporter.export(snapshot)) as stream:
                async for data in stream:
                    await asyncio.to_thread(writer.write, data)
            about = {name: value for name, value in asdict(image).items() if name in _ABOUT}
            await asyncio.to_thread(cache.publish, key, writer, about)
        finally:
            writer.close()

    @once
    async def ImageRecall(
        self, request: pb.ImageRecallRequest, call: Call
    ) -> pb.ImageRecallResponse:
        """Load the image that is stored under a key for this engine, if one is."""
        if not self._state.info.fingerprint:
            return pb.ImageRecallResponse()
        return pb.ImageRecallResponse(image_id=await finish(self._load(self._key(request.key))))

    async def _load(self, key: str) -> str:
        """The id of the image; empty if none is stored."""
        cache = ImageCache.of_environment(os.environ)
        loader = SupportsExport.of(self._state.engine)
        found = await asyncio.to_thread(cache.find, key)
        if found is None:
            return ""
        entry, content = found
        try:
            with content:
                if not await asyncio.to_thread(is_whole, content, entry.blob):
                    raise InvalidSpec(f"{content.name!r} is not what its name says")
                snapshot = await self._state.shelf.with_room(lambda: loader.load(_chunks(content)))
        except InvalidSpec as error:
            log.warning("a stored image is of no use, and is removed: %s", error)
            await asyncio.to_thread(cache.remove, key)
            return ""
        return self._state.images.keep(snapshot, _image(entry), ttl=None).id

    def _key(self, key: str) -> str:
        """The key on disk: what was stored for another engine, or another machine, is not found."""
        info = self._state.info
        return "\0".join((info.name, info.fingerprint, key))


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    """What is stored, from its beginning."""
    file.seek(0)
    while data := await asyncio.to_thread(file.read, CHUNK):
        yield data


def _image(entry: Entry) -> Image:
    about: dict[str, Any] = dict(entry.about)
    return Image(
        "",
        env=dict(about["env"]),
        workdir=about["workdir"],
        entrypoint=tuple(about["entrypoint"]),
        cmd=tuple(about["cmd"]),
    )
