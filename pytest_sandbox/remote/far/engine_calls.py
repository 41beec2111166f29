"""Calls about the engine: snapshots, images, faults, volumes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    InvalidSpec,
    Snapshot,
    SupportsConnectionFaults,
    SupportsExport,
    SupportsFlatten,
    SupportsForget,
    SupportsImages,
    SupportsPackages,
    SupportsPrepare,
    SupportsVolumes,
)
from pytest_sandbox.images import ImageError

from ..wire.images import (
    any_snapshot_from_wire,
    checked_digest,
    name_from_wire,
    oci_image_from_wire,
)
from ..wire.networks import fault_from_wire
from ..wire.tasks import task_from_wire
from ..wire.texts import text_from_wire, text_to_wire
from .file_calls import closed_after, in_parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_sandbox.engine import OciImage
    from pytest_sandbox.images import ImageStore

    from .held import Held


class EngineCalls:
    """Serves them.

    Args:
        held: what the session holds.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    async def prepare(self, request: pb.PrepareRequest) -> pb.Done:
        """Make a sandbox ahead, if the engine does."""
        engine = self._held.engine
        if isinstance(engine, SupportsPrepare):
            await engine.prepare(task_from_wire(request.spec, self._held.image))
        return pb.Done()

    # Snapshots

    async def forget(self, request: pb.ForgetRequest) -> pb.Done:
        """Forget a snapshot."""
        snapshot = any_snapshot_from_wire(request.snapshot)
        await SupportsForget.of(self._held.engine).forget(snapshot)
        self._held.drop_snapshot(snapshot)
        return pb.Done()

    async def export(self, request: pb.ExportRequest) -> AsyncIterator[pb.Part]:
        """A snapshot of all files as a stream."""
        snapshot = Snapshot(name_from_wire(request.snapshot))
        below = Snapshot(name_from_wire(request.below)) if request.HasField("below") else None
        exporting = SupportsExport.of(self._held.engine).export(snapshot, below=below)
        async with closed_after(exporting) as parts:
            async for data in parts:
                for part in in_parts(data):
                    yield part

    async def load(self, requests: AsyncIterator[pb.LoadRequest]) -> pb.SnapshotReply:
        """Make a snapshot of such a stream."""
        first = await anext(requests)
        below = Snapshot(name_from_wire(first.below)) if first.HasField("below") else None

        async def stream() -> AsyncIterator[bytes]:
            async for request in requests:
                yield request.data

        engine = SupportsExport.of(self._held.engine)
        return self._made(await engine.load(stream(), below=below))

    async def flatten(self, request: pb.FlattenRequest) -> pb.SnapshotReply:
        """The same files in fewer layers."""
        snapshot = Snapshot(name_from_wire(request.snapshot))
        return self._made(await SupportsFlatten.of(self._held.engine).flatten(snapshot))

    def _made(self, snapshot: Snapshot) -> pb.SnapshotReply:
        self._held.add_snapshot(snapshot)
        return pb.SnapshotReply(name=text_to_wire(snapshot.name))

    # Images

    async def unpack_image(self, request: pb.ImageRequest) -> pb.ImageReply:
        """Make an image ready, or say which of its layers have to be put first."""
        engine = SupportsImages.of(self._held.engine)
        store = engine.image_store
        image = oci_image_from_wire(request.image, store.blob)
        if self._held.has_image(image):
            return pb.ImageReply()
        if missing := await asyncio.to_thread(_missing, store, image, unpacked_counts=True):
            return pb.ImageReply(missing=missing)
        try:
            await engine.unpack(image)
        except InvalidSpec:
            # What is unpacked may be so for another user or mode, and then the layer is needed.
            missing = await asyncio.to_thread(_missing, store, image, unpacked_counts=False)
            if not missing:
                raise
            return pb.ImageReply(missing=missing)
        self._held.add_image(image)
        return pb.ImageReply()

    async def put_layer(self, requests: AsyncIterator[pb.PutLayerRequest]) -> pb.Done:
        """Store a layer, which has to be what its digest says."""
        layer = (await anext(requests)).layer
        store = SupportsImages.of(self._held.engine).image_store
        digest = checked_digest(layer.digest)
        try:
            await _stored(store, digest, layer.size, requests)
        except ImageError as error:
            raise InvalidSpec(f"a layer that was sent cannot be stored: {error}") from error
        return pb.Done()

    # Packages

    async def packages(self, request: pb.PackagesRequest) -> AsyncIterator[pb.Part]:
        """The package database as a tar."""
        database = SupportsPackages.of(self._held.engine).package_database()
        async with closed_after(database.content) as parts:
            async for data in parts:
                for part in in_parts(data):
                    yield part

    # Faults and volumes

    async def set_fault(self, request: pb.SetFaultRequest) -> pb.Done:
        """Set a fault of connections."""
        fault = fault_from_wire(request.fault)
        await SupportsConnectionFaults.of(self._held.engine).set_fault(fault)
        return pb.Done()

    async def fault_counts(self, request: pb.FaultsRequest) -> pb.FaultCountsReply:
        """How often faults were met, and fired."""
        engine = SupportsConnectionFaults.of(self._held.engine)
        reply = pb.FaultCountsReply()
        counts = await engine.fault_counts([text_from_wire(each) for each in request.ids])
        for name, (met, affected) in counts.items():
            reply.counts.add(id=text_to_wire(name), met=met, affected=affected)
        return reply

    async def clear_faults(self, request: pb.FaultsRequest) -> pb.Done:
        """Clear faults."""
        engine = SupportsConnectionFaults.of(self._held.engine)
        await engine.clear_faults([text_from_wire(each) for each in request.ids])
        return pb.Done()

    async def forget_volume(self, request: pb.VolumeRequest) -> pb.Done:
        """Forget a volume."""
        engine = SupportsVolumes.of(self._held.engine)
        await engine.forget_volume(text_from_wire(request.volume))
        return pb.Done()


async def _stored(
    store: ImageStore, digest: str, size: int, requests: AsyncIterator[pb.PutLayerRequest]
) -> None:
    """Store what comes, in a thread: it is hashed, and written to a disk.

    Raises:
        ImageError: it is not what its digest says, or too large.
        OSError: it cannot be written.
    """
    writing = store.writer(digest, size)
    write = await asyncio.to_thread(writing.__enter__)
    try:
        async for request in requests:
            await asyncio.to_thread(write, request.data)
    except BaseException as error:
        # It is removed, and the error goes on.
        await asyncio.to_thread(writing.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(writing.__exit__, None, None, None)


def _missing(store: ImageStore, image: OciImage, *, unpacked_counts: bool) -> list[str]:
    """The digests of layers that have to be put; those that are there stay."""
    store.use([*(layer.digest for layer in image.layers), *(each.diff_id for each in image.layers)])
    return [
        layer.digest
        for layer in dict.fromkeys(image.layers)
        if not store.has_blob(layer.digest, layer.size)
        and not (unpacked_counts and store.has_layer(layer.diff_id))
    ]
