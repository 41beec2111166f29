"""Writing a tar: ustar with pax records for what it cannot hold, holes as GNU's format 1.0."""

from __future__ import annotations

from . import header, pax, sparse
from .header import padding
from .member import BLOCK, MemberKind
from .numbers import format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .member import Member
    from .pax import Record

#: What ends a tar.
END = bytes(2 * BLOCK)

_CHUNK = 256 * 1024
_NANO = 10**9


def write(member: Member, read: Callable[[int, int], bytes] | None = None) -> Iterator[bytes]:
    """A member as it is in a tar.

    Args:
        member: what to write.
        read: gives bytes of a regular file, by offset and size. It may give fewer where the file
            has become shorter meanwhile: its header has promised them, so zeros take their place.
    """
    table = b""
    if member.stored != member.size:
        table = sparse.encode(member.extents, member.size)
    stored = len(table) + member.stored
    yield _headers(member, stored, is_sparse=bool(table)) + table
    if read is None:
        return
    for offset, length in member.extents:
        end = offset + length
        for start in range(offset, end, _CHUNK):
            size = min(_CHUNK, end - start)
            yield read(start, size).ljust(size, b"\0")
    if stored % BLOCK:
        yield bytes(padding(stored))


def _headers(member: Member, stored: int, *, is_sparse: bool) -> bytes:
    name = f"{member.name}/" if member.kind is MemberKind.DIRECTORY else member.name
    records: list[Record] = []
    if is_sparse:
        records += [
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", name),
            ("GNU.sparse.realsize", str(member.size)),
        ]
        # What a program that does not know the format unpacks, map and data, gets another name.
        name = f"GNUSparseFile.0/{name}"
    seconds, fraction = divmod(member.mtime_ns, _NANO)
    if fraction or not header.fits(seconds, 12):
        records.append(("mtime", format_time(member.mtime_ns)))
    for key, text in (("path", name), ("linkpath", member.target)):
        if len(text) > 100 or not text.isascii():
            records.append((key, text))
    for key, number, width in (
        ("uid", member.uid, 8),
        ("gid", member.gid, 8),
        ("size", stored, 12),
    ):
        if not header.fits(number, width):
            records.append((key, str(number)))
    return _extended(records) + header.encode(
        _bytes(name),
        member.kind.value,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=stored,
        mtime=max(0, seconds),
        target=_bytes(member.target),
        device=member.device,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _extended(records: list[Record]) -> bytes:
    if not records:
        return b""
    if not all(_is_utf8(value) for _, value in records):
        # Without it, readers may refuse names that are not UTF-8: pax(1), "hdrcharset".
        records = [("hdrcharset", "BINARY"), *records]
    payload = pax.encode(records)
    block = header.encode(b"././@PaxHeader", b"x", size=len(payload))
    return block + payload + bytes(padding(len(payload)))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
