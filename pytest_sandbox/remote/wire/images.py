"""Images and snapshots as messages, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import DirectorySnapshot, Host, MemorySnapshot, OciImage, Snapshot
from pytest_sandbox.images import LayerBlob

from .malformed import Malformed
from .texts import text_from_wire, text_to_wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_sandbox.engine import AnySnapshot, RootImage

#: Layers of one image; the overlay of a sandbox takes no more.
MOST_LAYERS = 1000
#: Bytes of the name of a snapshot.
_LONGEST_NAME = 4096
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def root_image_to_wire(image: RootImage) -> pb.RootImage:
    """An image that a task can start from; of one of a registry, without its layers."""
    if isinstance(image, Snapshot):
        return pb.RootImage(snapshot=text_to_wire(image.name))
    if isinstance(image, OciImage):
        named = pb.OciImage(reference=text_to_wire(image.reference), digest=image.digest)
        return pb.RootImage(oci=named)
    return pb.RootImage(host=True)


def root_image_from_wire(
    message: pb.RootImage, known: Callable[[pb.OciImage], OciImage]
) -> RootImage:
    """An image that a task can start from.

    Args:
        message: of it.
        known: finds one of a registry, whose layers are not in the message.

    Raises:
        Malformed: it is none.
    """
    kind = message.WhichOneof("kind")
    if kind == "host":
        return Host()
    if kind == "snapshot":
        return Snapshot(name_from_wire(message.snapshot))
    if kind == "oci":
        return known(message.oci)
    raise Malformed("an image that is of no kind")


def any_snapshot_to_wire(snapshot: AnySnapshot) -> pb.AnySnapshot:
    """A snapshot of any kind."""
    name = text_to_wire(snapshot.name)
    if isinstance(snapshot, Snapshot):
        return pb.AnySnapshot(files=name)
    if isinstance(snapshot, DirectorySnapshot):
        return pb.AnySnapshot(directory=name)
    return pb.AnySnapshot(memory=name)


def any_snapshot_from_wire(message: pb.AnySnapshot) -> AnySnapshot:
    """A snapshot of any kind.

    Raises:
        Malformed: it is none.
    """
    kind = message.WhichOneof("kind")
    if kind == "files":
        return Snapshot(name_from_wire(message.files))
    if kind == "directory":
        return DirectorySnapshot(name_from_wire(message.directory))
    if kind == "memory":
        return MemorySnapshot(name_from_wire(message.memory))
    raise Malformed("a snapshot that is of no kind")


def name_from_wire(name: bytes) -> str:
    """The name that an engine has chosen for a snapshot.

    Raises:
        Malformed: it is too long.
    """
    if len(name) > _LONGEST_NAME:
        raise Malformed(f"the name of a snapshot has {len(name)} bytes, more than {_LONGEST_NAME}")
    return text_from_wire(name)


def oci_image_to_wire(image: OciImage) -> pb.OciImage:
    """An image of a registry, with its layers."""
    return pb.OciImage(
        reference=text_to_wire(image.reference),
        digest=image.digest,
        layers=[layer_to_wire(layer) for layer in image.layers],
    )


def oci_image_from_wire(message: pb.OciImage, path: Callable[[str], Path]) -> OciImage:
    """An image of a registry, with its layers.

    Args:
        message: of it.
        path: where the file of a layer is on this machine, by its digest.

    Raises:
        Malformed: a digest is none, or there are too many layers.
    """
    if len(message.layers) > MOST_LAYERS:
        raise Malformed(f"an image has {len(message.layers)} layers, more than {MOST_LAYERS}")
    digest = checked_digest(message.digest)
    layers = tuple(
        LayerBlob(
            checked_digest(layer.digest),
            checked_digest(layer.diff_id),
            layer.size,
            layer.media_type,
            path(layer.digest),
        )
        for layer in message.layers
    )
    return OciImage(text_from_wire(message.reference), digest, layers)


def layer_to_wire(layer: LayerBlob) -> pb.Layer:
    """A layer, without its file."""
    return pb.Layer(
        digest=layer.digest, diff_id=layer.diff_id, size=layer.size, media_type=layer.media_type
    )


def checked_digest(digest: str) -> str:
    """A digest, which is a safe name of a file.

    Raises:
        Malformed: it is none.
    """
    if not _DIGEST.fullmatch(digest):
        raise Malformed(f"{digest[:200]!r} is not a SHA-256 digest")
    return digest
