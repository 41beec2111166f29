"""Images that outlive the engine: stored on disk under a key, and loaded in later runs."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import IO, Any

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import InvalidSpec, Snapshot, SupportsExport

from ..async_helpers import closing
from ..model.images import ImageRecord
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once
from ..snapshots.cache_writer import CHUNK, is_whole
from ..snapshots.disk_cache import CachedImage, ImageCache

log = logging.getLogger(__name__)

#: The fields of an image that are stored beside its files.
_ABOUT = ("env", "workdir", "entrypoint", "cmd", "project", "of_machine", "packages", "origin")


class StoredImageServicer:
    """The RPCs that store and load images."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def ImageKeep(
        self, request: pb.ImageKeepRequest, call: ServedCall
    ) -> pb.ImageKeepResponse:
        """Store an image under a key, and replace what was stored under it."""
        image = self._state.images.get(request.image_id)
        snapshot = image.engine_image
        if not image.snapshot_id or not isinstance(snapshot, Snapshot):
            raise invalid(f"Image {image.id!r} is not a snapshot of all files: it cannot be stored")
        if not self._state.info.fingerprint:
            raise unimplemented(
                f"the images of the engine {self._state.info.name!r} do not outlive it"
            )
        with self._state.snapshot_store.pinned(image.snapshot_id):
            await finish(self._store(self._key(request.key), image, snapshot))
        return pb.ImageKeepResponse()

    async def _store(self, key: str, image: ImageRecord, snapshot: Snapshot) -> None:
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
        self, request: pb.ImageRecallRequest, call: ServedCall
    ) -> pb.ImageRecallResponse:
        """Load the image that is stored under a key for this engine, if one is."""
        if not self._state.info.fingerprint:
            return pb.ImageRecallResponse()
        image_id = await finish(self._load(self._key(request.key)), self._forget)
        return pb.ImageRecallResponse(image_id=image_id)

    @once
    async def ImageFromArchive(
        self, request: pb.ImageFromArchiveRequest, call: ServedCall
    ) -> pb.ImageFromArchiveResponse:
        """Make an image of an archive on this machine."""
        if request.kind not in ("oci", "docker"):
            raise invalid(f"there is no kind of archive {request.kind!r}")
        if not request.path:
            raise invalid("the path of an archive is empty")
        state = self._state
        read = await state.registry_images.archive(request.kind, request.path, request.tag)
        definition = read.key + b" archive"
        image = state.images.built(definition)
        if image is None:
            image = replace(read, id=state.ids.new("im"))
            state.images.add(definition, image)
        return pb.ImageFromArchiveResponse(image_id=image.id)

    async def _forget(self, image_id: str) -> None:
        """Undo `_load`, whose client is gone."""
        if image_id:
            await self._state.images.forget(image_id)

    async def _load(self, key: str) -> str:
        """The id of the loaded image; empty if none is stored."""
        cache = ImageCache.of_environment(os.environ)
        loader = SupportsExport.of(self._state.engine)
        found = await asyncio.to_thread(cache.find, key)
        if found is None:
            return ""
        cached, content = found
        try:
            with content:
                if not await asyncio.to_thread(is_whole, content, cached.blob):
                    raise InvalidSpec(
                        f"the content of {content.name!r} does not match its checksum"
                    )
                snapshot = await self._state.snapshot_store.with_room(
                    lambda: loader.load(_chunks(content))
                )
        except InvalidSpec as error:
            # The test run can make the image again, and must not fail for a broken cache.
            log.warning("removed a stored image that cannot be loaded: %s", error)
            await asyncio.to_thread(cache.remove, key)
            return ""
        return self._state.images.add_snapshot(snapshot, _image(cached), ttl=None).id

    def _key(self, key: str) -> str:
        """The key on disk, which has the engine and the machine in it."""
        info = self._state.info
        return "\0".join((info.name, info.fingerprint, key))


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The content of a file, from its beginning."""
    file.seek(0)
    while data := await asyncio.to_thread(file.read, CHUNK):
        yield data


def _image(cached: CachedImage) -> ImageRecord:
    about: dict[str, Any] = dict(cached.about)
    return ImageRecord(
        "",
        env=dict(about["env"]),
        workdir=about["workdir"],
        entrypoint=tuple(about["entrypoint"]),
        cmd=tuple(about["cmd"]),
        project=bool(about.get("project")),
        of_machine=bool(about.get("of_machine")),
        packages=bool(about.get("packages")),
        origin=str(about.get("origin", "")),
    )
