"""Keys: of layers, and of the images of definitions, by all that they depend on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .images import ImageRecord


def settings(image: ImageRecord) -> list[object]:
    """What an image says about commands that are run in it."""
    return [sorted(image.env.items()), image.workdir, image.project]


def key_of(below: bytes, *parts: object) -> bytes:
    """The key of something that depends on a layer and on further parts, as JSON has them."""
    text = json.dumps(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(below + b"\0" + text).digest()


def key_of_image(stage: bytes, image: ImageRecord) -> bytes:
    """The key of an image of a definition.

    Args:
        stage: of the layers of its last stage.
        image: what the definition says about environment, command, ...
    """
    about = image.entrypoint, image.cmd, image.shell, image.user, image.onbuild, image.origin
    return key_of(stage, settings(image), *about)
