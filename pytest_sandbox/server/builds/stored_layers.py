"""Layers on disk, for later runs: each as what it changed of the one below, or with all below.

A layer is stored after its build has gone on. Until then, its key is locked for other runs, which
wait for it instead of doing the same step. Nothing of the cache makes a build fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from typing import IO, TYPE_CHECKING

from grpclib import GRPCError

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import EngineError, InvalidSpec, Snapshot, SupportsExport

from ..async_helpers import closing, start
from ..snapshots.cache_writer import CHUNK, is_whole
from ..snapshots.disk_cache import ImageCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ..model.images import ImageRecord
    from ..model.state import State

log = logging.getLogger(__name__)

#: Changes when the layers of an earlier version of this package mean something else now.
_VERSION = 1
#: Seconds between two looks at a key that another run has locked.
_POLL = 0.05
#: Seconds that the end of a server waits until all layers are stored.
_AT_END = 4.0
_FAILURES = (GRPCError, EngineError, OSError, ValueError)


@dataclass(frozen=True)
class StoredLayer:
    """A layer on disk.

    Attributes:
        number: of its key, among those that were asked for.
        whole: whether it has all below it, too.
        blob: the name of its content.
        content: the file, open.
        key: under which it is stored.
    """

    number: int
    whole: bool
    blob: str
    content: IO[bytes]
    key: str


class StoredLayers:
    """The layers that are stored on disk for a server.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._storing: set[asyncio.Future[None]] = set()
        # One after another: the latest one for a key is that which stays.
        self._turn = asyncio.Lock()

    @functools.cached_property
    def _cache(self) -> ImageCache:
        return ImageCache.of_environment(os.environ)

    async def find(self, keys: Sequence[bytes]) -> list[StoredLayer]:
        """The fewest layers, the lowest first, by which one has the topmost that is stored.

        Args:
            keys: of layers that lie on each other, the lowest first; the first on what is there.
        """
        try:
            return await asyncio.to_thread(self._find, keys)
        except _FAILURES as error:
            log.warning("stored layers cannot be read: %s", error)
            return []

    def _find(self, keys: Sequence[bytes]) -> list[StoredLayer]:
        chain: list[StoredLayer] = []
        for number in range(len(keys) - 1, -1, -1):
            key = self._key(keys[number])
            found = self._cache.find(key)
            if found is None:
                close(chain)
                chain = []
                continue
            cached, content = found
            whole = bool(cached.about.get("whole"))
            chain.insert(0, StoredLayer(number, whole, cached.blob, content, key))
            if whole:
                break
        return chain

    async def load(self, layer: StoredLayer, below: ImageRecord) -> Snapshot | None:
        """A layer as a snapshot of the engine; `None` if it cannot be loaded."""
        under = below.engine_image
        loader = SupportsExport.of(self._state.engine)
        above = under if isinstance(under, Snapshot) and not layer.whole else None
        try:
            first = await asyncio.to_thread(_checked, layer)

            async def load() -> Snapshot:
                return await loader.load(_chunks(layer.content, first), below=above)

            return await self._state.snapshot_store.with_room(load)
        except InvalidSpec as error:
            log.warning("removed a stored layer that cannot be loaded: %s", error)
            await asyncio.to_thread(self._cache.remove, layer.key)
        except _FAILURES as error:
            log.warning("a stored layer cannot be loaded: %s", error)
        return None

    async def lock(self, key: bytes, waiting: Callable[[], Awaitable[None]]) -> LayerLock | None:
        """Keep other runs from making a layer; `None` if the cache does not work.

        Args:
            key: of the layer.
            waiting: called if another run makes it now.
        """
        name = self._key(key)
        told = False
        try:
            while True:
                lock = await finish(self._locked(name), _release)
                if lock is not None:
                    return lock
                if not told:
                    await waiting()
                told = True
                await asyncio.sleep(_POLL)
        except _FAILURES as error:
            log.warning("a layer cannot be stored: %s", error)
            return None

    async def _locked(self, name: str) -> LayerLock | None:
        descriptor = await asyncio.to_thread(self._cache.lock, name)
        return None if descriptor is None else LayerLock(self._cache, name, descriptor)

    def store_soon(
        self, key: bytes, layer: ImageRecord, below: ImageRecord | None, lock: LayerLock | None
    ) -> None:
        """Store a layer, and release its lock then.

        Args:
            key: of the layer.
            layer: has its files.
            below: has the files below it; `None` to store these too.
            lock: of its key.
        """
        storing = start(self._store(key, layer, below, lock))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)

    async def _store(
        self, key: bytes, layer: ImageRecord, below: ImageRecord | None, lock: LayerLock | None
    ) -> None:
        under = below.engine_image if below is not None else None
        above = under if isinstance(under, Snapshot) else None
        store = self._state.snapshot_store
        try:
            with store.pinned(layer.snapshot_id), store.pinned(below.snapshot_id if below else ""):
                assert isinstance(layer.engine_image, Snapshot)
                async with self._turn:
                    await self._write(key, layer.engine_image, above, whole=below is None)
        except _FAILURES as error:
            reason = error.message if isinstance(error, GRPCError) else error
            log.warning("a layer was not stored for later runs: %s", reason)
        finally:
            if lock is not None:
                await finish(lock.release())

    async def _write(
        self, key: bytes, snapshot: Snapshot, below: Snapshot | None, *, whole: bool
    ) -> None:
        exporter = SupportsExport.of(self._state.engine)
        writer = await asyncio.to_thread(self._cache.writer)
        try:
            async with closing(exporter.export(snapshot, below=below)) as stream:
                async for data in stream:
                    await asyncio.to_thread(writer.write, data)
            await asyncio.to_thread(self._cache.publish, self._key(key), writer, {"whole": whole})
        finally:
            writer.close()

    async def close(self) -> None:
        """Store what is being stored, if that does not take long."""
        if self._storing:
            _, late = await asyncio.wait(self._storing, timeout=_AT_END)
            for each in late:
                each.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _key(self, key: bytes) -> str:
        """The key on disk, which has the engine and the machine in it."""
        info = self._state.info
        return "\0".join((f"layer {_VERSION}", info.name, info.fingerprint, key.hex()))


class LayerLock:
    """Keeps other runs from making a layer.

    Args:
        cache: that it is stored in.
        name: of its key.
        descriptor: holds the lock.
    """

    def __init__(self, cache: ImageCache, name: str, descriptor: int) -> None:
        self._cache = cache
        self._name = name
        self._descriptor: int | None = descriptor

    async def release(self) -> None:
        """Let others make the layer; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._cache.unlock, self._name, descriptor)


async def _release(lock: LayerLock | None) -> None:
    if lock is not None:
        await lock.release()


def close(layers: Sequence[StoredLayer]) -> None:
    """Close the files of layers that are not loaded."""
    for each in layers:
        each.content.close()


def _checked(layer: StoredLayer) -> bytes:
    """The beginning of a content, if all of it is as it was stored.

    Raises:
        InvalidSpec: it is not.
    """
    if not is_whole(layer.content, layer.blob):
        raise InvalidSpec(f"{layer.content.name!r} does not match its checksum")
    return layer.content.read(CHUNK)


async def _chunks(file: IO[bytes], first: bytes) -> AsyncIterator[bytes]:
    """The content of a file, of which the beginning was read."""
    file.seek(len(first))
    data = first
    while data:
        yield data
        # Most layers are small, and a thread for nothing would take longer than they do.
        data = await asyncio.to_thread(file.read, CHUNK) if len(data) == CHUNK else b""
