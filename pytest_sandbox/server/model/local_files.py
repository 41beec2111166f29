"""Local files that clients add to images and sandboxes: what Modal's wire calls mounts."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import EntryKind

from ..rpc.errors import not_found
from ..volumes.uploads import MOST, FileContent
from .ids import Ids


@dataclass(frozen=True)
class LocalFile:
    """A file, a directory or a symbolic link.

    Attributes:
        path: where it is to be.
        upload: its content; of a link, where it leads; of a directory, nothing.
        mode: permission bits.
        kind: what it is. The directories above a file need not be there.
    """

    path: str
    upload: FileContent
    mode: int = 0o644
    kind: EntryKind = EntryKind.FILE

    @property
    def target(self) -> str:
        """Where it leads, if it is a link."""
        return os.fsdecode(b"".join(self.upload.chunks()))


@dataclass(frozen=True)
class LocalMount:
    """Files under an id, which begins with `mo-`; `digest` tells them from others."""

    id: str
    files: tuple[LocalFile, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of their contents."""
        return sum(file.upload.size for file in self.files)


class LocalFileRegistry:
    """Local files by id; the same files have the same id. The oldest ones are dropped for newer.

    Args:
        ids: makes their ids.
        most: bytes that all may have together.
    """

    def __init__(self, ids: Ids, most: int = MOST) -> None:
        self._ids = ids
        self._most = most
        self._size = 0
        self._by_digest: OrderedDict[str, LocalMount] = OrderedDict()
        self._by_id: dict[str, LocalMount] = {}

    def add(self, files: Sequence[LocalFile]) -> LocalMount:
        """Register files."""
        digest = _digest(files)
        found = self._by_digest.get(digest)
        if found is None:
            found = LocalMount(self._ids.new("mo"), tuple(files), digest)
            self._by_digest[digest] = self._by_id[found.id] = found
            self._size += found.size
        self._by_digest.move_to_end(digest)
        while self._size > self._most and len(self._by_digest) > 1:
            _, oldest = self._by_digest.popitem(last=False)
            del self._by_id[oldest.id]
            self._size -= oldest.size
        return found

    def get(self, mount_id: str) -> LocalMount:
        """Files by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        found = self._by_id.get(mount_id)
        if found is None:
            raise not_found("Mount", mount_id)
        self._by_digest.move_to_end(found.digest)
        return found


def _digest(files: Iterable[LocalFile]) -> str:
    lines = sorted(
        f"{file.path}\0{file.upload.digest}\0{file.mode:o}\0{file.kind.value}" for file in files
    )
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
