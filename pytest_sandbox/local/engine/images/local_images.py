"""Images made ready for sandboxes: each layer unpacked once, into a store that all runs share."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import EngineUnavailable, InvalidSpec, OciImage, StoreFull, Unsupported

from ...filesystem.layers import NO_ROOT
from ...protocol.common import Succeeded
from ...protocol.images import LayerUnpacked, RemoveUnpackedRequest, UnpackRequest
from .decompressors import NotDecompressed
from .layer_feed import LayerFeed
from .on_disk import WrittenLayer, boot_id, refused

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sandbox.images import ImageStore, LayerBlob

    from ..links.zygote_link import ZygoteLink
    from ..snapshots.layer_store import LayerStore, Stack

#: Bytes of the pipe to the helper that unpacks: pipe(7), F_SETPIPE_SZ.
_PIPE = 1 << 20
#: Bytes that a tar may have besides what its layer may take: headers, and what is left out.
_MORE = 1 << 30
#: In the directory of a layer that shows nothing of those below.
_OPAQUE = "opaque"
#: Says what owners mean, in the directory of a layer where they are not the numbers of a sandbox.
_OWNERS = "owners"
_NO_ROOM = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    # No process, memory or descriptor for what unpacks it.
    *(errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
)


class LocalImages:
    """The images of one engine.

    Args:
        store: on disk.
        zygote: unpacks, and makes the sandboxes.
        layers: the engine's.
        owners: what owners of files in the store mean, see `owners_of`.
    """

    def __init__(
        self, store: ImageStore, zygote: ZygoteLink, layers: LayerStore, owners: str
    ) -> None:
        self.store = store
        self._zygote = zygote
        self._layers = layers
        self._owners = owners
        self._boot = boot_id()
        self._loop = asyncio.get_running_loop()
        self._feeds: set[LayerFeed] = set()
        #: Layers that are being looked for or unpacked, by their digest.
        self._unpacking: dict[str, asyncio.Task[str]] = {}
        self._numbers: dict[str, int] = {}
        self._numbering = asyncio.Lock()
        store.remove_tree = self._remove_tree

    @property
    def refused(self) -> str:
        """Why there can be no images, and what to do; empty if there can."""
        return refused(self._zygote)

    async def unpack(self, image: OciImage) -> None:
        """Make an image ready; see `SupportsImages.unpack`."""
        if self.refused:
            raise Unsupported("image", self.refused)
        if self._layers.has_image(image):
            return
        if not image.layers:
            raise InvalidSpec(f"the image {image.reference!r} has no layer, so it has no files")
        keys: list[str] = []
        chain = ""
        for layer in image.layers:
            chain = _chained(chain, layer.diff_id)
            try:
                key = await self._ready(layer, chain, keys)
            except OSError as error:
                refusal = _refusal(image, layer, error)
                with contextlib.suppress(OSError):
                    if await asyncio.to_thread(self.store.remove_damaged, layer.digest):
                        refusal = InvalidSpec(
                            f"{refusal}; what was stored of it was damaged, and is removed: the "
                            "next try gets it again"
                        )
                raise refusal from error
            if (self.store.layer(key).parent / _OPAQUE).exists():
                keys = []
            if key in keys:
                # overlayfs refuses a directory that it has already (ELOOP), and all that the layer
                # shows and hides from there, it shows and hides from the top.
                keys.remove(key)
            keys.insert(0, key)
        self._layers.add_image(image, await self._stack(keys))

    async def stored(self, keys: list[str]) -> Stack:
        """Layers that an exported snapshot was on, the topmost first.

        Args:
            keys: their names in the store.

        Raises:
            InvalidSpec: the store does not have them.
        """
        if self.refused:
            raise Unsupported("image", self.refused)
        await asyncio.to_thread(self.store.use, keys)
        for key in keys:
            if not self.store.has_layer(key):
                raise InvalidSpec(f"it needs a layer of an image, {key}, which is not stored here")
        return await self._stack(keys)

    async def close(self) -> None:
        """Give up what is being unpacked; return when nothing of it is left."""
        for feed in self._feeds:
            feed.stop()
        await asyncio.gather(*self._unpacking.values(), return_exceptions=True)

    async def _ready(self, layer: LayerBlob, chain: str, below: list[str]) -> str:
        """Have a layer unpacked; its name in the store."""
        own, chained = self._key(layer.diff_id), self._key(chain)
        if chained not in self._unpacking:
            # On its own: others may wait for it too, when the one that asked first gives up.
            task = background(self._unpacked(layer, own, chained, below))
            self._unpacking[chained] = task
            task.add_done_callback(lambda _: self._unpacking.pop(chained))
        return await asyncio.shield(self._unpacking[chained])

    async def _unpacked(self, layer: LayerBlob, own: str, chained: str, below: list[str]) -> str:
        # First, so that no other run removes them meanwhile.
        await asyncio.to_thread(self.store.use, [own, chained])
        for key in (own, chained):
            if self.store.has_layer(key):
                return key
        with contextlib.ExitStack() as stack:
            folder = await asyncio.to_thread(stack.enter_context, self.store.new_layer())
            try:
                done = await self._fill(folder, layer, below)
                key = chained if done.borrowed else own
                if done.opaque:
                    (folder / _OPAQUE).touch()
                if not done.root:
                    (folder / NO_ROOT).touch()
                if self._owners:
                    (folder / _OWNERS).write_text(self._owners)
                WrittenLayer(folder).note()
                await asyncio.to_thread(self.store.publish_layer, key, folder, done.size)
            finally:
                # On a thread, for what is left has to be removed by the zygote.
                await asyncio.to_thread(stack.pop_all().close)
        WrittenLayer(self.store.layer(key).parent).sync()
        await asyncio.to_thread(self.store.shrink)
        return key

    async def _fill(self, folder: Path, layer: LayerBlob, below: list[str]) -> LayerUnpacked:
        """Unpack a layer into a folder of the store.

        Raises:
            OSError: `EINVAL` or `EFBIG` for what is wrong with it, and others.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user may have as many large pipes as allowed
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE)
        request = UnpackRequest(
            folder=self._relative(folder / "files"),
            below=[self._folder(key) for key in below],
            most=self.store.limit,
        )
        feed = LayerFeed(layer.path, self.store.limit + _MORE)
        self._feeds.add(feed)
        unpacking = asyncio.ensure_future(self._zygote.request(request, LayerUnpacked, (read,)))
        feeding = asyncio.ensure_future(asyncio.to_thread(feed.run, write))
        await asyncio.wait([feeding, unpacking])
        self._feeds.remove(feed)
        try:
            # The feed first: a tar that ends early says less than why it does.
            digest = feeding.result()
        except NotDecompressed as error:
            unpacking.exception()
            raise OSError(errno.EINVAL, str(error), "") from error
        done = unpacking.result()
        if digest != layer.diff_id:
            raise OSError(errno.EINVAL, f"its tar has the digest {digest}", "")
        return done

    async def _stack(self, keys: list[str]) -> Stack:
        """The layers, as sandboxes are made of them."""
        async with self._numbering:
            for key in keys:
                if key not in self._numbers:
                    number, folder = self._layers.new_layer(), self._folder(key)
                    await self._zygote.add_image_layer(number, folder)
                    self._layers.image_layer_made(number, folder, self._zygote)
                    self._numbers[key] = number
        return tuple(self._numbers[key] for key in keys)

    def _key(self, digest: str) -> str:
        """The name that a layer has, or would have, in the store.

        It is another one where a layer has the usual name that has other owners, or may not be
        whole since the machine lost power.
        """
        names = (digest, _digest(f"{self._owners} {digest}"))
        fitting = (name for name in names if not self.store.has_layer(name) or self._fits(name))
        return next(fitting, _digest(f"{self._boot} {self._owners} {digest}"))

    def _fits(self, key: str) -> bool:
        """Whether a stored layer can be used by this engine."""
        folder = self.store.layer(key).parent
        return _owners(folder) == self._owners and WrittenLayer(folder).counts

    def _folder(self, key: str) -> str:
        return self._relative(self.store.layer(key))

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.store.folder))

    def _remove_tree(self, path: Path) -> None:
        """Remove an unpacked layer, for the store; not on the thread of the event loop."""
        request = RemoveUnpackedRequest(folder=self._relative(path / "files"))
        removing = self._zygote.request(request, Succeeded)
        try:
            asyncio.run_coroutine_threadsafe(removing, self._loop).result()
        except EngineUnavailable as error:
            # Another run, or another try, removes it: to the store, that is an error of the disk.
            raise OSError(errno.EIO, str(error), str(path)) from error
        for each in (*path.iterdir(), path):
            each.rmdir() if each.is_dir() else each.unlink()


def _owners(folder: Path) -> str:
    try:
        return (folder / _OWNERS).read_text()
    except OSError:
        return ""


def _chained(chain: str, diff_id: str) -> str:
    """The digest of a layer on those below, like OCI's image specification, "Layer ChainID".

    Unlike there, that of the lowest layer is not its own digest either: what is stored by that can
    be on any layers.
    """
    return _digest(f"{chain} {diff_id}")


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _refusal(image: OciImage, layer: LayerBlob, error: OSError) -> Exception:
    name = f"{error.filename}: " if error.filename else ""
    what = f"layer {layer.diff_id} of {image.reference}: {name}{error.strerror or error}"
    if error.errno in _NO_ROOM:
        return StoreFull(f"no room for an image: {what}")
    if error.errno == errno.EIO:
        return EngineUnavailable(what)  # the disk's, or what unpacks was killed
    return InvalidSpec(f"an image cannot be unpacked: {what}")
