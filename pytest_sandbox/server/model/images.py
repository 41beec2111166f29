"""Images by id: those that definitions were built to, and snapshots of sandboxes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_sandbox.engine import Clock, DirectorySnapshot, Host, RootImage, Snapshot

from ..rpc.errors import invalid, not_found
from ..snapshots.store import Kept, Shelf
from .ids import Ids


@dataclass(frozen=True)
class Image:
    """An image: the engine's name for it, and what a sandbox takes from it by default.

    Attributes:
        id: begins with `im-`.
        engine_image: what the engine is given.
        kept: id of the thing on the shelf that it is, or is described on top of; empty for the
            host image.
        env: environment variables.
        workdir: working directory.
        entrypoint: what a command is appended to.
        cmd: the command of a sandbox without one.
    """

    id: str
    engine_image: RootImage | DirectorySnapshot = field(default_factory=Host)
    kept: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()

    def root_image(self) -> RootImage:
        """What a sandbox is created from.

        Raises:
            GRPCError: INVALID_ARGUMENT: it is of a directory.
        """
        if isinstance(self.engine_image, DirectorySnapshot):
            raise invalid(f"Image {self.id!r} is one of a directory: it can only be mounted")
        return self.engine_image

    def directory(self) -> DirectorySnapshot:
        """What is mounted in a sandbox.

        Raises:
            GRPCError: INVALID_ARGUMENT: it is not of a directory.
        """
        if not isinstance(self.engine_image, DirectorySnapshot):
            raise invalid(
                f"Image {self.id!r} is not one of a directory, so it cannot be mounted: make one "
                "with snapshot_directory"
            )
        return self.engine_image


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
        self,
        snapshot: Snapshot | DirectorySnapshot,
        like: Image,
        *,
        ttl: float | None,
        below: str = "",
    ) -> Image:
        """Register what the engine has kept.

        Args:
            snapshot: the engine's.
            like: the image whose environment, command, ... it takes over.
            ttl: seconds that it is kept; `None` for as long as there is room.
            below: id of what it stands on.
        """
        image_id = self._ids.new("im")
        image = replace(like, id=image_id, engine_image=snapshot, kept=image_id)
        expiry = None if ttl is None else self._clock.monotonic() + ttl
        self._images[image_id] = image
        self._shelf.put(Kept(image_id, snapshot, below, expiry, lambda: self._gone(image_id)))
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
