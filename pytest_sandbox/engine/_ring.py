"""The newest bytes of a stream, in a file that has no name."""

import tempfile
import weakref

from pytest_sandbox._shared.real import os, real_files


class Ring:
    """A file of at most `capacity` bytes that holds the newest bytes of a stream.

    Byte `n` of the stream is at `n % capacity`. The file has no name, so it is gone with its
    descriptor, which `close`, the garbage collector or the end of the process release.

    Raises:
        OSError: the directory for temporary files is full.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # A bare descriptor, because a file object warns when the collector closes it.
        with real_files(), tempfile.TemporaryFile(buffering=0) as file:
            self._descriptor = os.dup(file.fileno())
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def write(self, offset: int, view: memoryview) -> None:
        """Store bytes of the stream, the first of which is byte `offset`."""
        while view:
            position = offset % self._capacity
            written = os.pwrite(self._descriptor, view[: self._capacity - position], position)
            offset, view = offset + written, view[written:]

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the stream that are still held."""
        parts: list[bytes] = []
        while size:
            position = offset % self._capacity
            part = os.pread(self._descriptor, min(size, self._capacity - position), position)
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
