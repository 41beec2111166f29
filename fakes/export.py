"""Images as bytes, for other engines in memory in this run or a later one.

A line that says what it is, a tar of all files, and a SHA-256 of both.
"""

import errno
import hashlib
from collections.abc import Callable, Iterator

from pytest_sandbox.engine import InvalidSpec, StoreFull

from .files import tar
from .files.base_image import add_devices
from .files.disk import Disk, DiskSnapshot
from .files.vfs import Filesystem

_MAGIC = b"pytest-sandbox image in memory, 1\n"
_DIGEST = hashlib.sha256().digest_size


def dump(snapshot: DiskSnapshot) -> Iterator[bytes]:
    """All files of a snapshot."""
    digest = hashlib.sha256(_MAGIC)
    yield _MAGIC
    for chunk in tar.pack(Filesystem(snapshot.restore(lambda: 0)), "/"):
        digest.update(chunk)
        yield chunk
    yield digest.digest()


def read(data: bytes, now_ns: Callable[[], int], size: int) -> DiskSnapshot:
    """The snapshot that `dump` was given.

    Raises:
        InvalidSpec: it is not that, or not whole.
        StoreFull: it does not fit into `size` bytes.
    """
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if not body.startswith(_MAGIC):
        raise InvalidSpec(
            f"this is not an image of an engine in memory: it begins with {data[:20]!r}"
        )
    if hashlib.sha256(body).digest() != digest:
        raise InvalidSpec(f"the image of {len(data)} bytes is truncated or damaged")
    fs = Filesystem(Disk(now_ns, size=size))
    try:
        tar.unpack(fs, "/", body[len(_MAGIC) :])
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(f"the image takes more than the {size} bytes of a disk") from error
        raise InvalidSpec(f"the image cannot be loaded: {error}") from error
    add_devices(fs)
    return fs.disk.snapshot()
