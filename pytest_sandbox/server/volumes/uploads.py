"""Contents that clients have uploaded, by their SHA-256, until a volume gets them."""

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import IO, Protocol

#: Bytes that all uploads together may have, and those that a volume has got already.
MOST = 4 * 1024**3
MOST_USED = 64 * 1024**2
#: Bytes of a content that are in memory; more is in a file without a name.
_IN_MEMORY = 64 * 1024
#: Bytes read at a time.
CHUNK = 256 * 1024


class FileContent(Protocol):
    """Bytes that are somewhere on this machine."""

    @property
    def size(self) -> int:
        """How many bytes they are."""

    @property
    def digest(self) -> str:
        """Their SHA-256, in hexadecimal."""

    def chunks(self) -> Iterator[bytes]:
        """All bytes, some at a time. Others may read it meanwhile."""


class Upload:
    """A content that is being uploaded."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - see __del__

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written so far, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Add bytes at its end.

        Raises:
            OSError: no room for them in the temporary directory.
        """
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """All bytes, some at a time. Others may read it meanwhile."""
        for offset in range(0, self.size, CHUNK):
            self._file.seek(offset)
            yield self._file.read(CHUNK)

    def __del__(self) -> None:
        # Those who read it hold it; after the last of them, it is of no use.
        self._file.close()


class Uploads:
    """The contents that are complete.

    Those that a volume has got stay for a while, in case that another upload has the same ones.

    Args:
        most: bytes that they may have together; the oldest ones are dropped for newer ones.
        most_used: bytes that those may have that a volume has got.
    """

    def __init__(self, most: int = MOST, most_used: int = MOST_USED) -> None:
        self._new = _Bounded(most)
        self._used = _Bounded(most_used)

    def add(self, upload: Upload) -> None:
        """Take a content that is complete."""
        if self.get(upload.digest) is None:
            self._new.add(upload)

    def get(self, digest: str) -> Upload | None:
        """A content by its SHA-256, in hexadecimal; that becomes the newest."""
        upload = self._new.take(digest) or self._used.take(digest)
        if upload is not None:
            self._new.add(upload)
        return upload

    def used(self, digests: Iterable[str]) -> None:
        """Say that a volume has got contents."""
        for digest in digests:
            upload = self._new.take(digest)
            if upload is not None:
                self._used.add(upload)


class _Bounded:
    """Contents, up to a number of bytes; the oldest are dropped for newer ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def add(self, upload: Upload) -> None:
        """Take one that is not there, as the newest."""
        self._uploads[upload.digest] = upload
        self._size += upload.size
        while self._size > self._most and len(self._uploads) > 1:
            self.take(next(iter(self._uploads)))

    def take(self, digest: str) -> Upload | None:
        """Take one out."""
        upload = self._uploads.pop(digest, None)
        if upload is not None:
            self._size -= upload.size
        return upload
