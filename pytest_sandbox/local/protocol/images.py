"""Between the engine and the zygote: layers of images, which are on disk.

Folders are relative to `SetupRequest.images`.
"""

from __future__ import annotations

from .message import Message


class UnpackRequest(Message, descriptors=1):
    """Unpack a layer of an image from the pipe beside it; answered by `LayerUnpacked`.

    Refused with `EINVAL` if it is damaged or has what a layer may not have, with `EFBIG` if it is
    too large. What was unpacked until then is left behind.

    Attributes:
        folder: where to; an empty directory.
        below: folders of the layers that it was made on, the topmost first.
        most: bytes that it may take.
    """

    folder: str
    below: list[str]
    most: int


class RemoveUnpackedRequest(Message):
    """Remove an unpacked layer, whole or not; answered by `Succeeded`.

    Attributes:
        folder: of it.
    """

    folder: str


class AddImageLayerRequest(Message):
    """Have an unpacked layer be a layer of sandboxes; answered by `Succeeded`.

    Attributes:
        layer: the number that it gets.
        folder: of it. If a file `no-root` is beside it, it says nothing of the directory of all
            files, which is then as in the layers below.
    """

    layer: int
    folder: str


class LayerUnpacked(Message):
    """Answers `UnpackRequest`.

    Attributes:
        size: bytes that its files take, about.
        borrowed: whether it depends on what the layers below have, so that it fits these only.
        opaque: whether nothing of the layers below shows.
        root: whether it says what the directory of all files is like.
    """

    size: int
    borrowed: bool
    opaque: bool
    root: bool
