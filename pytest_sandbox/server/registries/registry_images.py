"""Images of registries and archives, made ready for the engine: downloaded once, unpacked once."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import DEFAULT_PATH, Capability, OciImage, SupportsImages
from pytest_sandbox.images import (
    ImageDenied,
    ImageError,
    ImageNotFound,
    ImageTooLarge,
    InvalidReference,
    LayerBlob,
    parse_reference,
)

from ..model.images import HOST_IMAGE, ImageRecord
from ..rpc.errors import unimplemented

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import DirectorySnapshot, Engine, EngineInfo, RootImage
    from pytest_sandbox.images import ImageStore, Reference, ResolvedImage
    from pytest_sandbox.images.registry import Login, Puller

    from .aliases import Aliases
    from .lock_file import LockFile

    EngineImage = RootImage | DirectorySnapshot
    Say = Callable[[str], Awaitable[None]]

T = TypeVar("T")

#: Registries that may be asked over plain HTTP, commas between them.
INSECURE_VARIABLE = "PYTEST_SANDBOX_INSECURE_REGISTRIES"
#: tar(5): two blocks of zeros end it.
_EMPTY_TAR = bytes(1024)
_ROOT_USERS = frozenset({"", "root", "0", "root:root", "0:0"})
_STATUS: dict[type[ImageError], Status] = {
    InvalidReference: Status.INVALID_ARGUMENT,
    ImageNotFound: Status.NOT_FOUND,
    ImageDenied: Status.PERMISSION_DENIED,
    ImageTooLarge: Status.RESOURCE_EXHAUSTED,
}


class ImageUnavailable(GRPCError):
    """An image of a registry cannot be had."""


@dataclass(frozen=True)
class Wanted:
    """How an image of a registry is wanted.

    Attributes:
        login: comes before those of this user.
        refresh: ask where its tag leads now, although that is known.
    """

    login: Login | None = None
    refresh: bool = False


class RegistryImages:
    """Gets images for one engine.

    Args:
        engine: started.
        info: what its start returned.
        aliases: which names mean something else.
        lock_file: pins tags; `None` if they are not pinned.
    """

    def __init__(
        self, engine: Engine, info: EngineInfo, aliases: Aliases, lock_file: LockFile | None
    ) -> None:
        self._engine = engine
        self._info = info
        self._lock_file = lock_file
        self.aliases = aliases
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._downloads: dict[EngineImage, _Download] = {}
        self._ready: set[OciImage] = set()

    async def find(self, name: str, wanted: Wanted) -> ImageRecord:
        """What an image of a registry says about itself; its files need `make_ready`.

        Args:
            name: as after FROM; no alias.
            wanted: how.

        Raises:
            GRPCError: it cannot be had; NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ...
        """
        try:
            reference = parse_reference(name)
        except InvalidReference as error:
            raise failure(error) from None
        if self._info.one_image:
            return replace(HOST_IMAGE, origin=name)
        store, pins = self._store(name), self._lock_file
        # One after another for one image: the second one finds all that it needs.
        async with self._lock(name):
            if pins is None:
                pinned = reference
            else:
                pinned = await self._in_thread(lambda: pins.pin(reference))
            puller = self._puller(pinned, store, wanted)
            # A tag that is to be pinned is looked up; what is pinned needs that never.
            refresh = wanted.refresh or pins is not None
            image = await self._in_thread(lambda: puller.resolve(refresh=refresh), puller)
            if pins is not None:
                await self._in_thread(lambda: pins.learn(reference, image.pin))
        record = _record(image)
        if record.engine_image not in self._ready:
            self._downloads[record.engine_image] = _Download(puller, image)
        return record

    def is_ready(self, image: EngineImage) -> bool:
        """Whether the engine can start from it; all but images of registries always are."""
        return not isinstance(image, OciImage) or image in self._ready

    async def make_ready(self, image: EngineImage, say: Say) -> None:
        """Download what is missing of an image, and have the engine unpack it.

        Args:
            image: of a record of `find`; others are ready.
            say: takes lines about it.

        Raises:
            GRPCError: it cannot be had.
            EngineError: the engine cannot unpack it.
        """
        if not isinstance(image, OciImage):
            return
        async with self._lock(image.digest):
            if image in self._ready:
                return
            download = self._downloads.get(image)
            if download is not None:
                puller, missing = download.puller, download.puller.missing(download.image)
                megabytes = sum(layer.size for layer in missing) / 1e6
                await say(
                    f"=> Pull {image}: {len(missing)} of {len(image.layers)} layers, "
                    f"{megabytes:.1f} MB\n"
                )
                await self._in_thread(lambda: puller.download(download.image), puller)
            await SupportsImages.of(self._engine).unpack(image)
            self._ready.add(image)
            self._downloads.pop(image, None)

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def _puller(self, pinned: Reference, store: ImageStore, wanted: Wanted) -> Puller:
        # Imported when it is needed, as HTTP would take a tenth of the start of the engine.
        from pytest_sandbox.images.registry import Puller, PullSettings

        insecure = filter(None, map(str.strip, os.environ.get(INSECURE_VARIABLE, "").split(",")))
        settings = PullSettings(dict(os.environ), wanted.login, tuple(insecure))
        return Puller(pinned, store, settings)

    async def _in_thread(self, work: Callable[[], T], puller: Puller | None = None) -> T:
        """What some work gives that blocks; if nobody waits for it any more, it ends soon.

        Raises:
            GRPCError: instead of an `ImageError`, or an `OSError` of the store.
        """
        try:
            return await asyncio.to_thread(work)
        except ImageError as error:
            raise failure(error) from error
        except OSError as error:
            folder = SupportsImages.of(self._engine).image_store.folder
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise ImageUnavailable(
                Status.RESOURCE_EXHAUSTED if full else Status.FAILED_PRECONDITION,
                f"an image cannot be stored in {folder}: {error}; PYTEST_SANDBOX_IMAGES names "
                "another folder",
            ) from error
        except asyncio.CancelledError:
            if puller is not None:
                puller.stop()
            raise

    async def archive(self, kind: str, path: str, tag: str) -> ImageRecord:
        """The image of an archive on this machine.

        Args:
            kind: `oci` or `docker`.
            path: of the archive.
            tag: which image, if there are several.

        Raises:
            GRPCError, EngineError: as `pull`.
        """
        if self._info.one_image:
            return HOST_IMAGE
        from pytest_sandbox.images.archive import read_docker_archive, read_oci_archive

        store = self._store(f"an image of {path}")
        read = read_oci_archive if kind == "oci" else read_docker_archive
        record = _record(await self._in_thread(lambda: read(path, store, tag)))
        await self.make_ready(record.engine_image, _say_nothing)
        return record

    async def empty(self) -> ImageRecord:
        """The image that has no files, `scratch`: its layer is an empty tar.

        Raises:
            GRPCError, EngineError: as `pull`.
        """
        if self._info.one_image:
            return HOST_IMAGE
        store = self._store("FROM scratch")
        digest = f"sha256:{hashlib.sha256(_EMPTY_TAR).hexdigest()}"
        store.use([digest])
        await self._in_thread(lambda: store.add_document(digest, _EMPTY_TAR))
        layer = LayerBlob(digest, digest, len(_EMPTY_TAR), "", store.blob(digest))
        image = OciImage("scratch", digest, (layer,))
        await self.make_ready(image, _say_nothing)
        return ImageRecord(
            "",
            engine_image=image,
            origin="scratch",
            env={"PATH": DEFAULT_PATH},
            key=f"image {digest}".encode(),
            lasting=True,
        )

    def _store(self, what: str) -> ImageStore:
        if Capability.IMAGE not in self._info.capabilities:
            why = self._info.details.get(
                "no image", "it has no images but the view of this machine"
            )
            raise unimplemented(
                f"{what}: the engine {self._info.name!r} cannot run images of registries "
                f"here: {why}"
            )
        return SupportsImages.of(self._engine).image_store


@dataclass(frozen=True)
class _Download:
    """What is needed to download the layers of an image."""

    puller: Puller
    image: ResolvedImage


async def _say_nothing(text: str) -> None:
    pass


def _record(image: ResolvedImage) -> ImageRecord:
    config = image.config
    return ImageRecord(
        "",
        engine_image=OciImage(image.reference, image.digest, image.layers),
        origin=image.reference,
        env={"PATH": DEFAULT_PATH, **config.env},
        workdir=config.workdir,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        user="" if config.user in _ROOT_USERS else config.user,
        onbuild=config.onbuild,
        shell=config.shell or ImageRecord("").shell,
        key=f"image {image.digest}".encode(),
        lasting=True,
    )


def failure(error: ImageError) -> GRPCError:
    """The error of an image that cannot be had; none that clients take for a passing one."""
    status = _STATUS.get(type(error), Status.FAILED_PRECONDITION)
    kind = GRPCError if status is Status.INVALID_ARGUMENT else ImageUnavailable
    return kind(status, str(error))
