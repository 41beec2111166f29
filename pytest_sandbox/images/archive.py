"""Images in files: an OCI layout, as a folder or a tar, and what `docker save` writes.

Docker 25 and newer write both into one tar: `index.json` is read first, `manifest.json` else. What
is in an archive is copied into the store, and compared with its digests on the way.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import manifest as documents
from .archive_files import ArchiveFiles, opened
from .errors import DamagedImage, ImageNotFound, shown
from .resolved import LayerBlob, ResolvedImage

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from .manifest import Descriptor
    from .store_folder import ImageStore

_CHUNK = 1024 * 1024
#: Indexes within indexes that are followed.
_DEEPEST = 3


def read_oci_archive(
    path: str | os.PathLike[str], store: ImageStore, tag: str = ""
) -> ResolvedImage:
    """Read an OCI layout, and copy its layers into a store.

    Args:
        path: of the folder or the tar, which may be compressed with gzip.
        store: gets the layers.
        tag: which image, if there are several.

    Raises:
        ImageError: it is no such archive, or a damaged one; the tag is not in it.
        OSError: it cannot be read, or the store not written.
    """
    with opened(Path(path), store) as files:
        return _Layout(files, store).image(tag)


def read_docker_archive(
    path: str | os.PathLike[str], store: ImageStore, tag: str = ""
) -> ResolvedImage:
    """Read what `docker save` has written, and copy its layers into a store.

    Args:
        path: of the tar, which may be compressed with gzip.
        store: gets the layers.
        tag: which image, if there are several.

    Raises:
        ImageError: it is no such archive, or a damaged one; the tag is not in it.
        OSError: it cannot be read, or the store not written.
    """
    with opened(Path(path), store) as files:
        if "index.json" in files:
            return _Layout(files, store).image(tag)
        return _saved(files, store, tag)


class _Layout:
    """An OCI layout.

    Args:
        files: of it.
        store: gets the layers.
    """

    def __init__(self, files: ArchiveFiles, store: ImageStore) -> None:
        self._files = files
        self._store = store
        self._what = files.name

    def image(self, tag: str) -> ResolvedImage:
        if "index.json" not in self._files:
            raise DamagedImage(f"{self._what} is not an OCI archive: it has no index.json")
        index = documents.document(self._files.small("index.json"), f"index.json of {self._what}")
        if not documents.is_index(index):
            raise DamagedImage(f"index.json of {self._what} lists no images")
        top = self._tagged(documents.manifests(index, self._what), tag)
        found, digest = top, top.digest
        for _ in range(_DEEPEST):
            inside = documents.document(self._document(found), self._what)
            if not documents.is_index(inside):
                break
            listed = documents.manifests(inside, self._what)
            found = documents.choose(listed, documents.this_architecture(), self._what)
        else:
            raise DamagedImage(f"{self._what} has an index in an index in an index")
        read = documents.manifest(inside, self._what)
        data = self._document(read.config)
        config, diff_ids = documents.configuration(data, len(read.layers), self._what)
        layers = tuple(map(self._layer, read.layers, diff_ids))
        return ResolvedImage(self._what, found.digest, config, layers, digest)

    def _tagged(self, listed: Sequence[Descriptor], tag: str) -> Descriptor:
        wanted = [each for each in listed if not tag or _is_called(each.names, tag)]
        if not wanted:
            raise _no_tag(self._what, tag, [name for each in listed for name in each.names])
        if len({each.digest for each in wanted}) == 1:
            return wanted[0]
        if any(each.platform[1] for each in wanted):
            return documents.choose(wanted, documents.this_architecture(), self._what)
        raise _which(self._what, [name for each in wanted for name in each.names])

    def _document(self, found: Descriptor) -> bytes:
        data = self._files.small(_blob(found.digest))
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if digest != found.digest:
            raise DamagedImage(f"{found.digest} of {self._what} has the digest {digest}")
        self._store.add_document(digest, data)
        return data

    def _layer(self, found: Descriptor, diff_id: str) -> LayerBlob:
        store = self._store
        store.use([found.digest, diff_id])
        if not store.has_blob(found.digest, found.size) and not store.has_layer(diff_id):
            with (
                self._files.open(_blob(found.digest)) as file,
                store.writer(found.digest, found.size) as write,
            ):
                while data := file.read(_CHUNK):
                    write(data)
        path = store.blob(found.digest)
        return LayerBlob(found.digest, diff_id, found.size, found.media_type, path)


def _saved(files: ArchiveFiles, store: ImageStore, tag: str) -> ResolvedImage:
    """Read an archive of Docker before 25."""
    what = files.name
    if "manifest.json" not in files:
        raise DamagedImage(f"{what} is not an archive of `docker save`: it has no manifest.json")
    wrapped = b'{"images":' + files.small("manifest.json") + b"}"
    images = documents.document(wrapped, f"manifest.json of {what}")["images"]
    images = [
        documents.checked(each, dict, f"an image of {what}")
        for each in documents.checked(images, list, f"manifest.json of {what}")
    ]
    names = [name for each in images for name in _words(each.get("RepoTags") or [], what)]
    wanted = [each for each in images if not tag or _is_called(each.get("RepoTags") or [], tag)]
    if not wanted:
        raise _no_tag(what, tag, names)
    if len(wanted) > 1:
        raise _which(what, names)
    (image,) = wanted
    paths = _words(image.get("Layers"), what)
    data = files.small(documents.checked(image.get("Config"), str, f"Config of {what}"))
    config, diff_ids = documents.configuration(data, len(paths), what)
    layers = tuple(
        _saved_layer(files, store, path, diff_id)
        for path, diff_id in zip(paths, diff_ids, strict=True)
    )
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return ResolvedImage(what, digest, config, layers, digest)


def _saved_layer(files: ArchiveFiles, store: ImageStore, path: str, diff_id: str) -> LayerBlob:
    """A layer, of which only the digest of its tar is known; the file may be compressed."""
    digest, size = diff_id, files.size(path)
    store.use([diff_id])
    if not store.has_layer(diff_id):
        with files.open(path) as file:
            compressed = file.read(4)[:2] == b"\x1f\x8b"
        if compressed:
            with files.open(path) as file:
                digest = _digest(file)
            store.use([digest])
        if not store.has_blob(digest, size):
            with files.open(path) as file, store.writer(digest, size) as write:
                while data := file.read(_CHUNK):
                    write(data)
    return LayerBlob(digest, diff_id, size, "", store.blob(digest))


def _digest(file: IO[bytes]) -> str:
    seen = hashlib.sha256()
    while data := file.read(_CHUNK):
        seen.update(data)
    return f"sha256:{seen.hexdigest()}"


def _words(found: Any, what: str) -> list[str]:
    listed = documents.checked(found, list, f"a list in manifest.json of {what}")
    return [documents.checked(word, str, f"a name in manifest.json of {what}") for word in listed]


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _is_called(names: Sequence[str], tag: str) -> bool:
    """Whether a tag, or a name with a tag, is one of these."""
    return any(name == tag or str(name).rpartition(":")[2] == tag for name in names)


def _no_tag(what: str, tag: str, names: Sequence[str]) -> ImageNotFound:
    there = shown(", ".join(sorted(set(names)))) or "images without tags"
    return ImageNotFound(f"{what} has no image {shown(tag)!r}; there is {there}")


def _which(what: str, names: Sequence[str]) -> ImageNotFound:
    there = shown(", ".join(sorted(set(names)))) or "none of them has a tag"
    return ImageNotFound(f"{what} has several images: say which with tag=: {there}")
