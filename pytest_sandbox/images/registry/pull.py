"""Pulling an image: first its documents, which say what it is, then its layers, several at once."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import queue
import threading
from typing import TYPE_CHECKING

from .. import manifest as documents
from ..digests import is_digest
from ..errors import DamagedImage, ImageTooLarge, RegistryUnreachable, shown
from ..resolved import LayerBlob, ResolvedImage
from .login import find_login
from .repository import PullSettings, Repository, pause
from .web import BROKEN, read_all
from .web import received as received_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..manifest import Descriptor
    from ..reference import Reference
    from ..store_folder import ImageStore
    from .login import Login
    from .web import Web

_ACCEPT = ", ".join((*documents.INDEX_TYPES, *documents.MANIFEST_TYPES))
#: Layers that are downloaded at the same time.
_AT_ONCE = 4
#: How often a download may break off one after another without progress.
_ATTEMPTS = 5
_PROGRESS = 1024 * 1024
#: Indexes within indexes that are followed.
_DEEPEST = 3


class PullInterrupted(Exception):
    """The caller does not want the image any more."""


class Puller:
    """Gets one image of a registry into a store. Every method blocks.

    Args:
        reference: of the image.
        store: gets what is downloaded.
        settings: how the registry is asked.
    """

    def __init__(self, reference: Reference, store: ImageStore, settings: PullSettings) -> None:
        self._reference = reference
        self._store = store
        self._settings = settings
        self._stopped = threading.Event()
        waiting = PullSettings(
            settings.environ, settings.login, settings.insecure, settings.timeout, self._wait
        )
        self._repository = Repository(reference, waiting, self._login)
        self._login_found: list[Login | None] = []

    def stop(self) -> None:
        """End the download that runs, soon, with `PullInterrupted`; any thread may call it."""
        self._stopped.set()

    def resolve(self, *, refresh: bool = False) -> ResolvedImage:
        """Find out what the image is; its layers may be missing then.

        A tag leads where it led when it was asked for last, if the store knows that.

        Args:
            refresh: ask the registry where a tag leads now.

        Raises:
            ImageError: the image cannot be had, or is damaged.
            OSError: the store cannot be written.
        """
        known = self._reference.digest or (
            "" if refresh else self._store.remembered(str(self._reference)) or ""
        )
        if known:
            self._store.use([known])
        with contextlib.closing(self._repository.web()) as web:
            data = self._store.document(known, documents.LARGEST_DOCUMENT) if known else None
            if data is None:
                data = self._manifest(web, known or self._reference.version, known)
            pin = _digest(data)
            image = self._image(web, data, pin)
        if not self._reference.digest and pin != known:
            self._store.remember(str(self._reference), pin)
        return image

    def missing(self, image: ResolvedImage) -> list[LayerBlob]:
        """The layers that must be downloaded, each once."""
        missing = {
            layer.digest: layer
            for layer in image.layers
            if not self._store.has_layer(layer.diff_id)
            and not self._store.has_blob(layer.digest, layer.size)
        }
        return list(missing.values())

    def download(self, image: ResolvedImage) -> None:
        """Get the layers that are missing; the first error ends all.

        Raises:
            ImageError: a layer cannot be had, or is damaged.
            OSError: the store cannot be written.
            PullInterrupted: `stop` was called.
        """
        missing = self.missing(image)
        total = sum(layer.size for layer in missing)
        if total > self._store.limit:
            raise ImageTooLarge(
                f"{self._reference} has {total} bytes to download, more than the "
                f"{self._store.limit} that stored images may take: set "
                "PYTEST_SANDBOX_IMAGES_SIZE in the environment to more"
            )
        if not missing:
            return
        self._stopped.clear()  # by an earlier one that failed
        work = queue.SimpleQueue[LayerBlob]()
        for layer in missing:
            work.put(layer)
        errors: list[BaseException] = []
        # They are daemons so that a registry that does not answer cannot keep the process from
        # ending, as it would with those of an executor.
        threads = [
            threading.Thread(
                target=self._layers, args=(work, errors), name="sandbox-pull", daemon=True
            )
            for _ in range(min(_AT_ONCE, len(missing)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Those that were stopped because of another one's error are not the reason.
        for error in sorted(errors, key=lambda each: isinstance(each, PullInterrupted)):
            raise error

    def _layers(self, work: queue.SimpleQueue[LayerBlob], errors: list[BaseException]) -> None:
        try:
            while True:
                self._check_stopped()
                self._layer(work.get_nowait())
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)
            self.stop()

    def _login(self) -> Login | None:
        if not self._login_found:
            found = self._settings.login or find_login(self._reference, self._settings.environ)
            self._login_found.append(found)
        return self._login_found[0]

    def _wait(self, seconds: float) -> None:
        self._check_stopped()
        self._settings.wait(seconds)
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise PullInterrupted

    def _image(self, web: Web, data: bytes, digest: str) -> ResolvedImage:
        what, pin = str(self._reference), digest
        self._store.use([pin])
        self._store.add_document(pin, data)
        found = documents.document(data, what)
        for _ in range(_DEEPEST):
            if not documents.is_index(found):
                break
            listed = documents.manifests(found, what)
            chosen = documents.choose(listed, documents.this_architecture(), what)
            digest = chosen.digest
            found = documents.document(self._document(web, chosen, "manifests"), what)
        else:
            raise DamagedImage(f"{what} is an index of indexes of indexes")
        read = documents.manifest(found, what)
        config, diff_ids = documents.configuration(
            self._document(web, read.config, "blobs"), len(read.layers), what
        )
        layers = tuple(map(self._described, read.layers, diff_ids))
        self._store.use([digest for each in layers for digest in (each.digest, each.diff_id)])
        return ResolvedImage(what, digest, config, layers, pin)

    def _described(self, found: Descriptor, diff_id: str) -> LayerBlob:
        path = self._store.blob(found.digest)
        return LayerBlob(found.digest, diff_id, found.size, found.media_type, path)

    def _manifest(self, web: Web, version: str, digest: str) -> bytes:
        """A manifest or an index by its tag or digest."""
        answer = self._repository.get(web, f"manifests/{version}", {"Accept": _ACCEPT})
        data = self._read(web, answer)
        wanted = digest or answer.headers.get("Docker-Content-Digest")
        if is_digest(wanted) and wanted != _digest(data):
            raise DamagedImage(f"{self._reference}: the registry gave something else for {wanted}")
        return data

    def _document(self, web: Web, found: Descriptor, kind: str) -> bytes:
        """A manifest or a configuration, which the store may have."""
        if found.size > documents.LARGEST_DOCUMENT:
            raise ImageTooLarge(f"{self._reference} has a document of {found.size} bytes")
        self._store.use([found.digest])
        data = self._store.document(found.digest, documents.LARGEST_DOCUMENT)
        if data is not None:
            return data
        if kind == "manifests":
            data = self._manifest(web, found.digest, found.digest)
        else:
            data = self._read(web, self._repository.get(web, f"{kind}/{found.digest}", {}))
        if len(data) != found.size:
            raise DamagedImage(
                f"{self._reference}: {found.digest} has {len(data)} bytes, not {found.size}"
            )
        self._store.add_document(found.digest, data)
        return data

    def _read(self, web: Web, answer: http.client.HTTPResponse) -> bytes:
        try:
            data = read_all(answer, documents.LARGEST_DOCUMENT, self._settings.timeout)
        except BROKEN as error:
            web.close()
            raise self._repository.unreachable(error) from error
        web.drop(answer)
        if len(data) > documents.LARGEST_DOCUMENT:
            raise ImageTooLarge(f"{self._reference}: the registry sent a document without an end")
        return data

    def _layer(self, layer: LayerBlob) -> None:
        try:
            with (
                contextlib.closing(self._repository.web()) as web,
                self._store.writer(layer.digest, layer.size) as write,
            ):
                self._receive(web, layer, write)
        except DamagedImage as error:
            raise DamagedImage(
                f"{self._reference}: the registry gave a layer that is not what it should be: "
                f"{error}"
            ) from None

    def _receive(self, web: Web, layer: LayerBlob, write: Callable[[bytes], None]) -> None:
        """Get a layer; where a connection breaks, the next one goes on."""
        received = failures = 0
        while received < layer.size:
            headers = {"Range": f"bytes={received}-"} if received else {}
            answer = self._repository.get(web, f"blobs/{layer.digest}", headers)
            before, error = received, None
            try:
                skip = self._skipped(answer, received)
                for data in received_bytes(answer, self._settings.timeout):
                    self._check_stopped()
                    fresh, skip = data[skip:], max(0, skip - len(data))
                    write(fresh)
                    received += len(fresh)
            except BROKEN as broken:
                error = broken
            web.drop(answer)
            # A registry that sends a byte at a time is not asked a million times.
            failures = 1 if received - before > _PROGRESS else failures + 1
            if received < layer.size:
                if failures >= _ATTEMPTS:
                    raise self._repository.unreachable(error or http.client.IncompleteRead(b""))
                self._wait(pause(failures))

    def _skipped(self, answer: http.client.HTTPResponse, received: int) -> int:
        """Bytes to skip of an answer, which begins at the start again or goes on."""
        if answer.status != 206:
            return received
        begins = (answer.headers.get("Content-Range") or "").partition("-")[0]
        if begins != f"bytes {received}":
            raise RegistryUnreachable(
                f"{self._reference}: the registry continues a layer at {shown(begins)!r} "
                f"instead of {received}"
            )
        return 0


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
