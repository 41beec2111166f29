"""Images on disk, for later runs: stored by key and by content, within a limit.

    images/lock           locked with flock(2) during every change
    images/keys/<name>    JSON: the name of the blob, and the properties of the image
    images/blobs/<sha256> the whole export of the engine
    images/new/<name>     being written; locked with flock(2) by its writer
    images/making/<name>  locked with flock(2) by the process that makes the image of a key

A file is written and synced before rename(2) puts it in its place, and a blob is compared with its
name before it is loaded. So a process that dies at any moment leaves nothing incomplete that could
be loaded; its unfinished file is removed when another process stores an image. The modification
time of a key is that of its last use: the least recently used key is evicted first, and a blob
with its last key.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from grpclib import GRPCError, Status

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.on_disk.stored_snapshots import folder_of

from .cache_writer import LIMIT_VARIABLE, CacheWriter

#: The most bytes of all stored images, unless the environment gives another number.
LIMIT = 2 * 1024**3


@dataclass(frozen=True)
class CachedImage:
    """An image that is stored under a key.

    Attributes:
        blob: the SHA-256 of its content, hexadecimal.
        about: the properties of the image.
    """

    blob: str
    about: Mapping[str, Any]


class ImageCache:
    """The stored images of one user. Every method blocks: on the disk, and on other processes.

    Args:
        folder: of the images; made when it is needed.
        limit: the most bytes that they take.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "ImageCache":
        """The cache that the environment variables name.

        Raises:
            GRPCError: FAILED_PRECONDITION: `PYTEST_SANDBOX_CACHE_SIZE` is not a number.
        """
        text = environ.get(LIMIT_VARIABLE, "")
        if text and not (text.isascii() and text.isdigit()):
            raise GRPCError(
                Status.FAILED_PRECONDITION,
                f"the environment variable {LIMIT_VARIABLE}={text!r} is not a number of bytes",
            )
        return cls(folder_of(environ), int(text) if text else LIMIT)

    def writer(self) -> CacheWriter:
        """A new file for the content of an image."""
        with self._locked():
            folder = self._sub("new")
            self._sweep(folder)
            self._sweep(self._sub("making"))
            descriptor, path = tempfile.mkstemp(dir=folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # before another process can sweep it
        return CacheWriter(path, descriptor, self._limit)

    def publish(self, key: str, written: CacheWriter, about: Mapping[str, Any]) -> None:
        """Store a written image under a key; it replaces the image that was stored there.

        Raises:
            OSError: it cannot be stored.
        """
        blob = written.finish()
        with self._locked():
            os.rename(written.path, self._sub("blobs") / blob)
            self._put(self._key(key), {"blob": blob, "about": dict(about)})
            self._shrink()

    def find(self, key: str) -> tuple[CachedImage, IO[bytes]] | None:
        """The image under a key, and its content, which the caller closes; this counts as a use."""
        if not self._folder.exists():
            return None
        path = self._key(key)
        with self._locked():
            try:
                stored = json.loads(path.read_bytes())
                entry = CachedImage(stored["blob"], stored["about"])
                content = (self._folder / "blobs" / entry.blob).open("rb")
            except (OSError, ValueError, KeyError, TypeError):
                return None
            os.utime(path)
        return entry, content

    def lock(self, key: str) -> int | None:
        """Lock a key, whose image this process is about to make; `None` if another one has it.

        The lock ends with the process, or with `unlock` of the descriptor.
        """
        with self._locked():
            path = self._sub("making") / self._key(key).name
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            return descriptor

    def unlock(self, key: str, descriptor: int) -> None:
        """Release a lock of `lock`."""
        with self._locked():
            (self._sub("making") / self._key(key).name).unlink(missing_ok=True)
            os.close(descriptor)

    def remove(self, key: str) -> None:
        """Remove the image under a key."""
        with self._locked():
            self._key(key).unlink(missing_ok=True)
            self._shrink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sub(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir(exist_ok=True)
        return path

    def _key(self, key: str) -> Path:
        return (
            self._folder / "keys" / hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        )

    def _put(self, path: Path, content: Mapping[str, Any]) -> None:
        self._sub(path.parent.name)
        fresh = self._folder / "new" / path.name
        with fresh.open("wb") as file:
            file.write(json.dumps(content).encode())
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, path)
        _sync(path.parent)
        _sync(self._folder / "blobs")

    def _sweep(self, folder: Path) -> None:
        """Remove the files of writers that have died."""
        for path in folder.iterdir():
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def _shrink(self) -> None:
        """Evict keys until the rest is within the limit, then blobs without a key."""
        keys = sorted(self._sub("keys").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        blobs = {path.name: path.stat().st_size for path in self._sub("blobs").iterdir()}
        remaining: dict[str, int] = {}
        for path in reversed(keys):
            blob = _blob_of(path)
            total = sum({**remaining, blob: blobs.get(blob, 0)}.values())
            if blob in blobs and total <= self._limit:
                remaining[blob] = blobs[blob]
            else:
                path.unlink()
        for blob in blobs.keys() - remaining.keys():
            (self._folder / "blobs" / blob).unlink()


def _blob_of(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["blob"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _sync(folder: Path) -> None:
    """Sync the names in a folder to the disk, which fsync(2) of a file does not do."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
