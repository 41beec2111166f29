"""Reading a layer as a tar, whichever compression it has; in bounded memory.

The first bytes of the file decide: registries and archives say wrong things about it.
"""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING, Any

from pytest_sandbox._shared.install_command import install_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Bytes of compressed data that are read at a time, and of the tar that come out of them at most.
_READ, _WRITE = 256 * 1024, 1024 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Of skippable frames, with which a zstd file may begin: RFC 8878, 3.1.2.
_ZSTD_SKIPPED = b"\x2a\x4d\x18"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
#: With a header of gzip: zlib.h, inflateInit2.
_GZIP_FORMAT = 31


class NotDecompressed(Exception):
    """The layer is damaged, or in a format that cannot be read here."""


def chunks(blob: IO[bytes]) -> Iterator[bytes]:
    """The tar in a blob.

    Raises:
        NotDecompressed: it cannot be read.
    """
    first = blob.read(6)
    blob.seek(0)
    if first.startswith(_GZIP):
        yield from _decompressed(blob, _gzip)
    elif first.startswith(_ZSTD) or first[1:4] == _ZSTD_SKIPPED:
        yield from _decompressed(blob, _zstd)
    else:
        for magic, name in _OTHERS.items():
            if first.startswith(magic):
                raise NotDecompressed(f"it is compressed with {name}; layers are with gzip or zstd")
        while data := blob.read(_WRITE):
            yield data


def _decompressed(blob: IO[bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """The contents of all compressed streams in a file, one after another."""
    stream = make()
    try:
        data = b""
        while data or (data := blob.read(_READ)):
            if stream.eof:
                data = data.lstrip(b"\0")  # padding, which gzip(1) allows
                if not data:
                    continue
                stream = make()
            yield stream.decompress(data, _WRITE)
            # zstd's objects keep what they did not use, and zlib's give it back.
            while not stream.eof and not getattr(stream, "needs_input", True):
                yield stream.decompress(b"", _WRITE)
            data = stream.unused_data if stream.eof else getattr(stream, "unconsumed_tail", b"")
        while not stream.eof and (more := stream.decompress(b"", _WRITE)):
            yield more
    except Exception as error:  # each library has its own
        raise NotDecompressed(f"it is damaged: {error}") from error
    if not stream.eof:
        raise NotDecompressed("it is damaged: it ends early")


def _gzip() -> Any:
    try:
        from isal import isal_zlib  # twice as fast, made for the same calls
    except ImportError:
        return zlib.decompressobj(_GZIP_FORMAT)
    return isal_zlib.decompressobj(_GZIP_FORMAT)


def _zstd() -> Any:
    try:
        from compression import zstd  # new in Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise NotDecompressed(
                "it is compressed with zstd, which this Python cannot read: "
                + install_command("images")
            ) from None
    return zstd.ZstdDecompressor()
