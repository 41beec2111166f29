"""Images of registries: their layers go where the sandboxes are, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import EngineUnavailable, InvalidSpec

from ..wire.images import layer_to_wire, oci_image_to_wire
from ..wire.malformed import Malformed
from .sendable import sendable
from .streams import PART, sent_and_answered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_sandbox.engine import OciImage
    from pytest_sandbox.images import LayerBlob

    from .calls import NearCalls

#: How often the far side may ask for layers; it evicts none that it asked for.
_TRIES = 3


async def unpack(calls: NearCalls, image: OciImage) -> None:
    """Have an image ready there; layers that the far side lacks are sent.

    Raises:
        InvalidSpec: a layer is damaged, or cannot be read here, or not be unpacked there.
        StoreFull: no room for it.
        EngineUnavailable: the session is over.
    """
    request = pb.ImageRequest(image=sendable(oci_image_to_wire, image))
    layers = {layer.digest: layer for layer in image.layers}
    for _ in range(_TRIES):
        reply = await calls.ask(calls.stub.UnpackImage, request)
        if not reply.missing:
            return
        for digest in reply.missing:
            if digest not in layers:
                raise calls.lost(Malformed(f"{image} has no layer {digest[:100]!r}"))
            put = _parts(image, layers[digest])
            await sent_and_answered(calls, calls.stub.PutLayer, put)
    raise EngineUnavailable(f"{image}: the other machine lacks layers that it was sent")


async def _parts(image: OciImage, layer: LayerBlob) -> AsyncIterator[pb.PutLayerRequest]:
    yield pb.PutLayerRequest(layer=layer_to_wire(layer))
    try:
        file = await asyncio.to_thread(layer.path.open, "rb")
        with file:
            while data := await asyncio.to_thread(file.read, PART):
                yield pb.PutLayerRequest(data=data)
    except OSError as error:
        raise InvalidSpec(
            f"a layer of {image} cannot be read: {layer.path}: {error.strerror}"
        ) from error
