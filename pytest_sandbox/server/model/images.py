"""Images by id: built from definitions, and snapshots of sandboxes."""

from collections.abc import Mapping
from dataclasses import field, replace

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock, DirectorySnapshot, Host, RootImage, Snapshot

from ..rpc.errors import invalid, not_found
from ..snapshots.store import SnapshotStore, StoredSnapshot
from .ids import Ids


@dataclass(frozen=True)
class ImageRecord:
    """An image: the engine's name for it, and the defaults of sandboxes that start from it.

    Attributes:
        id: begins with `im-`.
        engine_image: what the engine is given.
        snapshot_id: id of the snapshot that it is, or that its definition begins with; empty for
            the host image.
        env: environment variables.
        workdir: working directory.
        entrypoint: what a command is appended to.
        cmd: the command of sandboxes that are created without one.
        project: whether sandboxes that start from it show the project.
        shell: runs the steps of builds, and commands, that are given as one line.
        user: who runs later steps of builds; empty for root, as which all else runs.
        onbuild: what builds that begin with it do first, as lines of a Dockerfile.
        key: tells its files from others, for the cache of builds; empty if only its id does.
        lasting: whether the key means the same files in later runs.
        of_machine: whether it is the view of this machine, with changes perhaps.
        packages: whether that has the package database, which builds add if a step needs it.
        origin: what it begins with, for people: `host`, `alpine:3.21`, or `python:3.13 = host`
            where a name means something else here.
    """

    id: str
    engine_image: RootImage | DirectorySnapshot = field(default_factory=Host)
    snapshot_id: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    project: bool = False
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    user: str = ""
    onbuild: tuple[str, ...] = ()
    key: bytes = b""
    lasting: bool = False
    of_machine: bool = False
    packages: bool = False
    origin: str = ""

    def __str__(self) -> str:
        """What it is, for people."""
        if not self.snapshot_id:
            return self.origin or str(self.engine_image)
        return f"{self.id} on {self.origin}" if self.origin else self.id

    @property
    def is_built(self) -> bool:
        """Whether it has layers that steps of a definition made."""
        return self.snapshot_id != "" and self.key != self.id.encode()

    def root_image(self) -> RootImage:
        """The image, from which a sandbox is created.

        Raises:
            GRPCError: INVALID_ARGUMENT: it is a snapshot of a directory.
        """
        if isinstance(self.engine_image, DirectorySnapshot):
            raise invalid(f"Image {self.id!r} is a snapshot of a directory: it can only be mounted")
        return self.engine_image


#: The view of this machine, as an image to build on.
HOST_IMAGE = ImageRecord("", key=b"host", lasting=True, of_machine=True, origin="host")


class ImageRegistry:
    """Images by id; each definition is built once.

    Args:
        store: where snapshots are.
        clock: the engine's.
        ids: makes the ids of snapshots.
    """

    def __init__(self, store: SnapshotStore, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._images: dict[str, ImageRecord] = {}
        self._by_definition: dict[bytes, ImageRecord] = {}

    def add(self, definition: bytes, image: ImageRecord) -> None:
        """Register the image that was built from a definition."""
        self._images[image.id] = self._by_definition[definition] = image

    def built(self, definition: bytes) -> ImageRecord | None:
        """The image of a definition, if it was built before and its snapshot still exists."""
        image = self._by_definition.get(definition)
        while image is not None and self._store.lose(image.snapshot_id):
            image = self._by_definition.get(definition)  # which may be as it was before `flattened`
        return image

    def add_snapshot(
        self,
        snapshot: Snapshot | DirectorySnapshot,
        like: ImageRecord,
        *,
        ttl: float | None,
        depends_on: str = "",
    ) -> ImageRecord:
        """Register a snapshot that the engine has taken.

        Args:
            snapshot: the engine's.
            like: the image whose environment, command, ... it takes over.
            ttl: seconds that it is stored; `None` for as long as there is room.
            depends_on: id of the snapshot that it depends on; empty if none.
        """
        image_id = self._ids.new("im")
        image = replace(
            like,
            id=image_id,
            engine_image=snapshot,
            snapshot_id=image_id,
            key=image_id.encode(),
            lasting=False,
        )
        expiry = None if ttl is None else self._clock.monotonic() + ttl
        self._images[image_id] = image
        self._store.add(
            StoredSnapshot(image_id, snapshot, depends_on, expiry, lambda: self._removed(image_id))
        )
        return image

    def add_layer(
        self,
        key: bytes,
        snapshot: Snapshot,
        like: ImageRecord,
        *,
        depends_on: str,
        lasting: bool = False,
    ) -> ImageRecord:
        """Register the layer that a step of a build has made; `built` finds it by its key.

        Args:
            key: all that the layer depends on.
            snapshot: the engine's.
            like: the image whose environment, command, ... it takes over.
            depends_on: id of the snapshot below it; empty if there is none.
            lasting: whether the key means the same files in later runs.
        """
        added = self.add_snapshot(snapshot, like, ttl=None, depends_on=depends_on)
        layer = replace(added, key=key, lasting=lasting)
        self.add(key, layer)
        return layer

    def flattened(self, image: ImageRecord, snapshot: Snapshot) -> None:
        """Use a snapshot with the same files for an image from now on, as long as it is stored."""
        if self._images.get(image.id) is not image:
            return
        flat_id = self._ids.new("im")
        flat = replace(image, engine_image=snapshot, snapshot_id=flat_id)

        def removed() -> None:
            if self._images.get(image.id) is flat and self._store.has(image.snapshot_id):
                self._replace(flat, image)
            self._removed(flat_id)

        self._replace(image, flat)
        self._store.add(StoredSnapshot(flat_id, snapshot, on_removal=removed))

    def _replace(self, old: ImageRecord, new: ImageRecord) -> None:
        self._images[new.id] = new
        self._by_definition = {
            d: new if image is old else image for d, image in self._by_definition.items()
        }

    def get(self, image_id: str) -> ImageRecord:
        """An image by id; this counts as a use of it.

        Raises:
            GRPCError: NOT_FOUND.
        """
        image = self._images.get(image_id)
        while image is not None and self._store.lose(image.snapshot_id):
            image = self._images.get(image_id)
        if image is None:
            raise not_found("Image", image_id, self._store.why_removed(image_id))
        if image.snapshot_id:
            self._store.use("Image", image.snapshot_id)
        return image

    async def forget(self, image_id: str) -> None:
        """Delete a snapshot, or an image that was built; nothing happens if it does not exist.

        The last layer of a built image is deleted too, unless something else is made of it; what is
        below may serve other builds, and is evicted when room is short.

        Raises:
            GRPCError: INVALID_ARGUMENT: the image has no files of its own.
        """
        image = self._images.get(image_id)
        if image is None or image.snapshot_id == image_id:
            await self._store.forget(image_id)
            return
        if not image.snapshot_id:
            raise invalid(f"Image {image_id!r} is not a snapshot: deleting it would free nothing")
        del self._images[image_id]
        self._by_definition = {
            d: other for d, other in self._by_definition.items() if other.id != image_id
        }
        layer = image.snapshot_id
        used = any(i != layer and each.snapshot_id == layer for i, each in self._images.items())
        if not used and not self._store.depends_on(layer):
            await self._store.forget(layer)

    def _removed(self, image_id: str) -> None:
        """Forget a snapshot that no longer exists, and the definitions that begin with it."""
        self._images = {
            i: image for i, image in self._images.items() if image.snapshot_id != image_id
        }
        self._by_definition = {
            d: image for d, image in self._by_definition.items() if image.snapshot_id != image_id
        }
