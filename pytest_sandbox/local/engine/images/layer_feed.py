"""Giving a helper the tar of a layer, through a pipe, while its digest is computed."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

from .decompressors import NotDecompressed, chunks

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO


class LayerFeed:
    """Feeds one layer; `run` blocks, so it belongs on a thread.

    Args:
        blob: the layer as it came.
        most: bytes that the tar may have.
    """

    def __init__(self, blob: Path, most: int) -> None:
        self._blob = blob
        self._most = most
        self._stopped = threading.Event()

    def run(self, pipe: int) -> str:
        """Write the tar to a pipe, and close that.

        Returns:
            Its digest, `sha256:...`. If the reader gives up, it is that of what was written.

        Raises:
            NotDecompressed: it cannot be read as a tar, or is too large.
            OSError: the blob cannot be read.
        """
        seen, size = hashlib.sha256(), 0
        with os.fdopen(pipe, "wb", buffering=0) as target, self._blob.open("rb") as blob:
            for data in chunks(blob):
                size += len(data)
                if size > self._most:
                    raise NotDecompressed(f"its tar has more than {self._most} bytes")
                seen.update(data)
                if not self._write(target, data):
                    break
        return f"sha256:{seen.hexdigest()}"

    def _write(self, target: IO[bytes], data: bytes) -> bool:
        """Write all of it; False if there is no sense in that any more."""
        rest = memoryview(data)
        try:
            while rest and not self._stopped.is_set():
                rest = rest[target.write(rest) :]
        except BrokenPipeError:  # the helper says why
            return False
        return not rest

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stopped.set()
