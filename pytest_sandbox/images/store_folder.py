"""Images on disk, shared by all runs of a user: what was downloaded, and what was unpacked of it.

    oci/lock                  locked with flock(2) during every change
    oci/blobs/sha256/<hex>    a layer as it came, a manifest, an index or a configuration
    oci/layers/<hex>/files    an unpacked layer, by the digest of its tar
    oci/layers/<hex>/about.json   its size
    oci/tags/<name>           JSON: the digest that the name of an image led to
    oci/new/<name>            being written; locked with flock(2) by its writer
    oci/users/<name>          what a process uses, a line each; locked with flock(2) by it

A blob is compared with its name while it is written, and rename(2) puts what is whole in its place:
a process that dies at any moment leaves nothing incomplete there. The kernel releases its locks.
The modification time of a blob, and of the directory of a layer, is that of its last use: what is
used least recently goes first, except what a living process uses. Every function blocks.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.trees.tree_remover import remove_tree

from .digests import is_digest
from .errors import DamagedImage, ImageError, ImageTooLarge

#: Names the folder.
FOLDER_VARIABLE = "PYTEST_SANDBOX_IMAGES"
#: The most bytes that it takes.
LIMIT_VARIABLE = "PYTEST_SANDBOX_IMAGES_SIZE"
LIMIT = 10 * 1024**3
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class StoredPart:
    """A blob or an unpacked layer.

    Attributes:
        kind: `blob` or `layer`.
        digest: `sha256:...`; of the file, or of the tar of the layer.
        size: in bytes.
        used: when it was used last, in seconds since the Unix epoch.
        in_use: whether a living process uses it.
    """

    kind: str
    digest: str
    size: int
    used: float
    in_use: bool


class ImageStore:
    """The images of one user.

    Args:
        folder: of the store; made when it is needed, for this user alone.
        limit: the most bytes of all that nothing uses, and of one image.
        remove_tree: removes an unpacked layer; its files may be those of other user ids.
    """

    def __init__(
        self,
        folder: Path,
        limit: int = LIMIT,
        remove_tree: Callable[[Path], None] = remove_tree,
    ) -> None:
        self.folder = folder
        self.limit = limit
        self.remove_tree = remove_tree
        self._user: IO[bytes] | None = None
        self._used: set[str] = set()

    @classmethod
    def of_environment(cls, environ: Mapping[str, str], folder: str = "") -> "ImageStore":
        """The store that the environment variables name.

        Args:
            environ: the variables.
            folder: comes before what they say.

        Raises:
            ImageError: the limit is not a number of bytes.
        """
        text = environ.get(LIMIT_VARIABLE, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ImageError(
                f"the environment variable {LIMIT_VARIABLE}={text!r} is not a number of bytes"
            )
        home = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        usual = os.path.join(home, "pytest-sandbox", "oci")
        path = folder or environ.get(FOLDER_VARIABLE) or usual
        return cls(Path(path), int(text) if text else LIMIT)

    # Blobs

    def blob(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self.folder / "blobs" / "sha256" / _hex(digest)

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        """Whether a blob is there.

        Args:
            digest: of it.
            size: in bytes, that it must have to count; any if not given.
        """
        path = self.blob(digest)
        with contextlib.suppress(OSError):
            return path.is_file() and size in (None, path.stat().st_size)
        return False

    def remove_damaged(self, digest: str) -> bool:
        """Remove a blob that is not what its name says; whether it was removed.

        Raises:
            OSError: it cannot be read or removed.
        """
        seen = hashlib.sha256()
        with contextlib.suppress(FileNotFoundError), self.blob(digest).open("rb") as file:
            while data := file.read(_CHUNK):
                seen.update(data)
            if seen.hexdigest() != _hex(digest):
                with self.locked():
                    # Another process may have put a whole one there meanwhile.
                    if os.path.samestat(os.fstat(file.fileno()), self.blob(digest).stat()):
                        self.blob(digest).unlink()
                        return True
        return False

    def document(self, digest: str, limit: int) -> bytes | None:
        """The bytes of a small blob, whose digest is checked; `None` if it is not there."""
        with contextlib.suppress(OSError), self.blob(digest).open("rb") as file:
            data = file.read(limit)
            if hashlib.sha256(data).hexdigest() == _hex(digest):
                os.utime(file.fileno())
                return data
        return None

    def add_document(self, digest: str, data: bytes) -> None:
        """Store a small blob.

        Raises:
            DamagedImage: it has another digest.
            OSError: it cannot be written.
        """
        with self.writer(digest, len(data)) as write:
            write(data)

    @contextlib.contextmanager
    def writer(self, digest: str, size: int) -> Iterator[Callable[[bytes], None]]:
        """A function that takes the bytes of a blob; it is stored when the block ends well.

        Args:
            digest: of all bytes.
            size: how many there will be.

        Raises:
            DamagedImage: the bytes have another digest or another number.
            ImageTooLarge: they would not fit into the store.
            OSError: they cannot be written.
        """
        if size > self.limit:
            raise ImageTooLarge(
                f"a layer of {size} bytes is larger than the {self.limit} bytes that stored "
                f"images may take: set {LIMIT_VARIABLE} in the environment to more"
            )
        seen, written = hashlib.sha256(), 0
        with self.new_file() as file:

            def write(data: bytes) -> None:
                nonlocal written
                written += len(data)
                if written > size:
                    raise DamagedImage(f"{digest} is said to have {size} bytes, and more came")
                seen.update(data)
                file.write(data)

            yield write
            if written != size:
                raise DamagedImage(f"{digest} is said to have {size} bytes, and {written} came")
            if seen.hexdigest() != _hex(digest):
                raise DamagedImage(f"{digest} came with the digest sha256:{seen.hexdigest()}")
            file.flush()
            # Or the name may be on the disk before the bytes when the machine loses power.
            os.fsync(file.fileno())
            with self.locked():
                os.rename(file.name, self._made("blobs/sha256") / _hex(digest))

    @contextlib.contextmanager
    def new_file(self) -> Iterator[IO[bytes]]:
        """A new file in the store; it is removed unless the block renames it."""
        with self.locked():
            self._sweep()
            file = (self._made("new") / secrets.token_hex(8)).open("x+b")
            fcntl.flock(file, fcntl.LOCK_EX)  # before another process can sweep it
        with file:
            try:
                yield file
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file.name)

    # Unpacked layers

    def layer(self, diff_id: str) -> Path:
        """Where the files of an unpacked layer are, or would be."""
        return self.folder / "layers" / _hex(diff_id) / "files"

    def has_layer(self, diff_id: str) -> bool:
        """Whether an unpacked layer is there."""
        return (self.layer(diff_id).parent / "about.json").is_file()

    @contextlib.contextmanager
    def new_layer(self) -> Iterator[Path]:
        """A new directory with an empty one, `files`, for a layer; removed unless published."""
        with self.new_file() as held:
            folder = Path(f"{held.name}.layer")
            (folder / "files").mkdir(parents=True)
            try:
                yield folder
            finally:
                if folder.exists():
                    self.remove_tree(folder)

    def publish_layer(self, diff_id: str, folder: Path, size: int) -> None:
        """Store a whole layer; the one that another process has stored meanwhile remains.

        Args:
            diff_id: digest of its tar.
            folder: from `new_layer`.
            size: bytes that its files take.

        Raises:
            OSError: it cannot be stored.
        """
        (folder / "about.json").write_text(json.dumps({"size": size}))
        with self.locked():
            target = self._made("layers") / _hex(diff_id)
            if not target.exists():
                os.rename(folder, target)

    # Tags

    def remember(self, name: str, digest: str) -> None:
        """Store what the name of an image leads to."""
        with self.new_file() as file:
            file.write(json.dumps({"name": name, "digest": digest}).encode())
            file.flush()
            with self.locked():
                os.rename(file.name, self._made("tags") / _name(name))

    def remembered(self, name: str) -> str | None:
        """What the name of an image led to when it was asked for last; `None` if it never was."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((self.folder / "tags" / _name(name)).read_bytes())
            if found["name"] == name and is_digest(found["digest"]):
                return str(found["digest"])
        return None

    def tags(self) -> dict[str, str]:
        """The names of images that are known, and what they lead to."""
        known = {}
        for path in _listed(self.folder / "tags"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found = json.loads(path.read_bytes())
                known[str(found["name"])] = str(found["digest"])
        return dict(sorted(known.items()))

    # What is used, and what goes

    def use(self, digests: Iterable[str]) -> None:
        """Say that this process uses blobs and layers from now on: they are not removed."""
        with self.locked():
            if self._user is None:
                self._user = (self._made("users") / secrets.token_hex(8)).open("xb", buffering=0)
                fcntl.flock(self._user, fcntl.LOCK_EX)
            fresh = sorted({_hex(each) for each in digests} - self._used)
            self._user.write("".join(f"{each}\n" for each in fresh).encode())
            self._used.update(fresh)
            for each in fresh:
                for path in (self.blob(f"sha256:{each}"), self.folder / "layers" / each):
                    with contextlib.suppress(OSError):
                        os.utime(path)

    def close(self) -> None:
        """Say that this process uses nothing of it any more."""
        if self._user is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._user.name)
            self._user.close()
            self._user = None
            self._used.clear()

    def parts(self) -> list[StoredPart]:
        """All blobs and unpacked layers, the least recently used first."""
        if not self.folder.is_dir():
            return []
        with self.locked():
            return self._parts()

    def shrink(self, limit: int | None = None) -> list[StoredPart]:
        """Remove what is used least recently, until the rest is within the limit.

        Args:
            limit: bytes; the limit of the store if not given.

        Returns:
            What was removed.
        """
        if not self.folder.is_dir():
            return []
        most = self.limit if limit is None else limit
        removed: list[StoredPart] = []
        with self.locked():
            self._sweep()
            parts = self._parts()
            total = sum(part.size for part in parts)
            for part in parts:
                if total <= most:
                    break
                if not part.in_use:
                    self._move_away(part)
                    total -= part.size
                    removed.append(part)
            if any(not part.in_use for part in removed):
                self._forget_tags()
            self._sweep()
        return removed

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing else changes the store during the block."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _parts(self) -> list[StoredPart]:
        used = self._in_use()
        found = []
        for kind, folder in (("blob", "blobs/sha256"), ("layer", "layers")):
            for path in _listed(self.folder / folder):
                with contextlib.suppress(OSError):
                    info = path.stat()
                    size = info.st_size if kind == "blob" else _size(path)
                    digest = f"sha256:{path.name}"
                    found.append(StoredPart(kind, digest, size, info.st_mtime, path.name in used))
        return sorted(found, key=lambda part: (part.used, part.digest))

    def _in_use(self) -> set[str]:
        """What living processes use; the files of those that have died are removed."""
        used = set(self._used)
        for path in _listed(self.folder / "users"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    path.unlink()
                except BlockingIOError:
                    used.update(file.read().decode("ascii", "replace").split())
        return used

    def _move_away(self, part: StoredPart) -> None:
        hexadecimal = _hex(part.digest)
        if part.kind == "blob":
            self.blob(part.digest).unlink()
        else:
            name = f"{secrets.token_hex(8)}.layer"
            os.rename(self.folder / "layers" / hexadecimal, self._made("new") / name)

    def _forget_tags(self) -> None:
        for name, digest in self.tags().items():
            if not self.has_blob(digest):
                (self.folder / "tags" / _name(name)).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what processes have left that died while they wrote, and layers moved away."""
        writing = set()
        for path in _listed(self.folder / "new"):
            if path.suffix != ".layer":
                with contextlib.suppress(OSError), path.open("rb") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()
                    except BlockingIOError:
                        writing.add(path.name)
        for path in _listed(self.folder / "new"):
            if path.suffix == ".layer" and path.stem not in writing:
                with contextlib.suppress(OSError):  # what cannot be removed is tried again
                    self.remove_tree(path)


def _hex(digest: str) -> str:
    """The digits of a digest, which are a safe file name.

    Raises:
        ValueError: it is not a digest.
    """
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a SHA-256 digest")
    return digest.removeprefix("sha256:")


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _size(layer: Path) -> int:
    try:
        return int(json.loads((layer / "about.json").read_bytes())["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
