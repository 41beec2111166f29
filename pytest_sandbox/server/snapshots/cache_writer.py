"""The content of one image on its way to the disk, and its check on the way back."""

import contextlib
import hashlib
import os
from typing import IO

from grpclib import GRPCError, Status

#: The environment variable with the most bytes that all stored images may take.
LIMIT_VARIABLE = "PYTEST_SANDBOX_CACHE_SIZE"
#: Bytes read at a time.
CHUNK = 1024 * 1024


class CacheWriter:
    """Writes the content of one image. Every method blocks on the disk.

    Args:
        path: of the file.
        descriptor: of the file, locked; `close` closes it.
        limit: the most bytes that the content may have.
    """

    def __init__(self, path: str, descriptor: int, limit: int) -> None:
        self.path = path
        self._file = os.fdopen(descriptor, "wb")
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED: the content is larger than the limit.
            OSError: the disk is full, or fails.
        """
        self._size += len(data)
        if self._size > self._limit:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"the image takes more than the {self._limit} bytes that all stored images may "
                f"take: set {LIMIT_VARIABLE} in the environment to more",
            )
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> str:
        """Sync the file to the disk; the name of the blob."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file, and remove it if it was not stored."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with contextlib.suppress(OSError):  # of a file that is removed anyway
            self._file.close()


def is_whole(content: IO[bytes], blob: str) -> bool:
    """Whether the content of a blob matches its name; reading begins at the start again."""
    seen = hashlib.sha256()
    while data := content.read(CHUNK):
        seen.update(data)
    content.seek(0)
    return seen.hexdigest() == blob
