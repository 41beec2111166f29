"""Images by id: those that definitions were built to, and snapshots of sandboxes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_sandbox.engine import Clock

from ..rpc.errors import invalid, not_found
from ..snapshots.store import Kept, Shelf
from .ids import Ids

HOST = "host"


@dataclass(frozen=True)
class Image:
    """An image: the engine's name for it, and what a sandbox takes from it by default.

    Attributes:
        id: begins with `im-`.
        engine_image: the engine's name.
        kept: id of the thing on the shelf that it is, or is described on top of; empty for the
            host image.
        directory: it is one of a directory, to be mounted.
        env: environment variables.
        workdir: working directory.
        entrypoint: what a command is appended to.
        cmd: the command of a sandbox without one.
    """

    id: str
    engine_image: str = HOST
    kept: str = ""
    directory: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


class ImageRegistry:
    """Images, each definition once."""

    def __init__(self, shelf: Shelf, clock: Clock, ids: Ids) -> None:
        self._shelf = shelf
        self._clock = clock
        self._ids = ids
        self._images: dict[str, Image] = {}
        self._by_definition: dict[bytes, Image] = {}

    def add(self, definition: bytes, image: Image) -> None:
        """Register what a definition was built to."""
        self._images[image.id] = self._by_definition[definition] = image

    def built(self, definition: bytes) -> Image | None:
        """The image of a definition, if it was built before, and what it stands on is there."""
        return self._by_definition.get(definition)

    def keep(
        self, name: str, like: Image, *, ttl: float | None, below: str = "", directory: bool = False
    ) -> Image:
        """Register what the engine has kept.

        Args:
            name: the engine's.
            like: the image whose environment, command, ... it takes over.
            ttl: seconds that it is kept; `None` for as long as there is room.
            below: id of what it stands on.
            directory: whether it is one of a directory.
        """
        image_id = self._ids.new("im")
        image = replace(like, id=image_id, engine_image=name, kept=image_id, directory=directory)
        expiry = None if ttl is None else self._clock.monotonic() + ttl
        self._images[image_id] = image
        self._shelf.put(Kept(image_id, name, below, expiry, lambda: self._gone(image_id)))
        return image

    def get(self, image_id: str) -> Image:
        """An image by id, which is used with this.

        Raises:
            GRPCError: NOT_FOUND.
        """
        image = self._images.get(image_id)
        if image is None:
            raise not_found("Image", image_id, self._shelf.why(image_id))
        if image.kept:
            self._shelf.use("Image", image.kept)
        return image

    async def forget(self, image_id: str) -> None:
        """Let a snapshot go; one that is not there is fine.

        Raises:
            GRPCError: INVALID_ARGUMENT: it is no snapshot.
        """
        image = self._images.get(image_id)
        if image is not None and image.kept != image_id:
            raise invalid(f"Image {image_id!r} is no snapshot: it takes no room to be freed")
        await self._shelf.forget(image_id)

    def _gone(self, image_id: str) -> None:
        """A snapshot is not there any more, and what was described on top of it neither."""
        self._images = {i: image for i, image in self._images.items() if image.kept != image_id}
        self._by_definition = {
            d: image for d, image in self._by_definition.items() if image.kept != image_id
        }
