"""Reading a tar from front to back: ustar, pax, GNU's long names, and all of GNU's sparse formats.

Nothing in a stream is trusted. Whatever its bytes are, a reader gives members whose fields the
kernel's calls can take (names are for the caller to check), or raises `TarError`.
"""

from __future__ import annotations

from . import pax, sparse
from .header import Header, padding
from .member import BLOCK, Member, MemberKind, TarError
from .numbers import checked_time, parse_decimal, parse_field, parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .pax import Record

#: Bytes that all extended headers and long names of one member may take together.
_LARGEST_PAYLOAD = 1 << 22
#: Records that one member may have. Only maps of holes repeat a key, two records for each part.
_MOST_RECORDS = 1 << 16
#: Characters that the values for all members may have: each member is read with them again.
_LARGEST_GLOBAL = 1 << 13
#: Records with other keys are skipped, so that a stream cannot make us collect them.
_KEYS = frozenset(
    ["path", "linkpath", "size", "mtime", "uid", "gid"]
    + [f"GNU.sparse.{name}" for name in ("name", "major", "minor", "size", "realsize")]
    + [f"GNU.sparse.{name}" for name in ("map", "offset", "numbytes")]
)
#: Before the name of an extended attribute: star's key, which GNU tar and container engines use.
_EXTENDED = "SCHILY.xattr."
_CHUNK = 256 * 1024
_SHOWN = 80
#: The largest id; the one above it means "none": chown(2).
_LARGEST_ID = (1 << 32) - 2
_LARGEST_DEVICE = (1 << 20) - 1
_KINDS = {kind.value: kind for kind in MemberKind} | {
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"S": MemberKind.FILE,
}
#: The usual kinds of members, by the number of their type flag.
_PLAIN_KINDS = {kind.value[0]: kind for kind in (MemberKind.FILE, MemberKind.DIRECTORY)}


class Reader:
    """The members of a tar, in order.

    Args:
        read: gives so many bytes of the stream, fewer only at its end.
        extended: whether members get their extended attributes.
        may_be_empty: whether a stream without a byte is a tar without members.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        extended: bool = False,
        may_be_empty: bool = False,
    ) -> None:
        self._read = read
        self._extended = extended
        self._begun = may_be_empty
        self._global: dict[str, str] = {}
        self._left = 0  # bytes of the current member's contents that were not read
        self._padding = 0  # bytes behind them

    def __iter__(self) -> Iterator[Member]:
        """Each member; its contents can be read until the next one is asked for."""
        while (member := self._next()) is not None:
            yield member

    def contents(self, member: Member) -> Iterable[tuple[int, bytes]]:
        """The data of the current member, a regular file: offsets with bytes, without holes."""
        if len(member.extents) == 1 and member.extents[0][1] <= _CHUNK:
            offset, size = member.extents[0]
            self._left -= size
            return ((offset, self._exactly(size)),)
        return self._contents(member)

    def _contents(self, member: Member) -> Iterator[tuple[int, bytes]]:
        for offset, length in member.extents:
            end = offset + length
            for start in range(offset, end, _CHUNK):
                size = min(_CHUNK, end - start)
                self._left -= size
                yield start, self._exactly(size)

    def _next(self) -> Member | None:
        if self._left or self._padding:
            self._skip(self._left + self._padding)
        self._left = self._padding = 0
        records: list[Record] = []
        collected = 0  # bytes that `records` took in the stream
        while (block := self._header_block(expected=bool(collected))) is not None:
            header = Header(block)
            if header.type == b"g":
                self._set_global(self._payload(header, _LARGEST_PAYLOAD))
            elif header.type in (b"x", b"X", b"L", b"K"):
                payload = self._payload(header, _LARGEST_PAYLOAD - collected)
                collected += len(payload)
                _collect(records, header.type, payload, extended=self._extended)
            else:
                return self._member(header, records)
        return None

    def _set_global(self, payload: bytes) -> None:
        """Take over records for all members that follow."""
        for key, value in pax.parse(payload):
            if key in _KEYS:
                self._global[key] = value
        if sum(map(len, self._global.values())) > _LARGEST_GLOBAL:
            raise TarError("the extended headers for all members are too large")

    def _header_block(self, *, expected: bool) -> bytes | None:
        block = self._read(BLOCK)
        if len(block) == BLOCK and any(block):
            self._begun = True
            return block
        if len(block) not in (0, BLOCK) or (not block and not self._begun) or expected:
            raise TarError("the stream ends early, or is empty")
        return None

    def _plain_member(self, header: Header) -> Member | None:
        """What `_member` gives for a file or a directory that its header says all of.

        Most members are such ones, and this takes a third of the time; `None` for others.
        """
        block = header.block
        kind = _PLAIN_KINDS.get(block[156])
        uid, gid, mtime = parse_field(block[108:116]), parse_field(block[116:124]), header.mtime
        if kind is None or not (
            0 <= uid <= _LARGEST_ID and 0 <= gid <= _LARGEST_ID and 0 <= mtime <= _LARGEST_ID
        ):
            return None
        name = header.name if block[345] else header.last_name
        mode = parse_field(block[100:108]) & 0o7777
        member = Member(name, kind, mode=mode, uid=uid, gid=gid, mtime_ns=mtime * 10**9)
        if kind is MemberKind.FILE:
            size = header.size
            if not 0 <= size <= _CHUNK:
                return None
            self._left, self._padding = size, padding(size)
            member.size = size
            if size:
                member.extents = [(0, size)]
        return member

    def _member(self, header: Header, records: list[Record]) -> Member:
        if not records and not self._global and (plain := self._plain_member(header)) is not None:
            return plain
        values = self._global | {key: value for key, value in records if value}
        kind = _KINDS.get(header.type)
        name = values.get("GNU.sparse.name") or values.get("path") or header.name
        if kind is None:
            raise TarError(f"{name[:_SHOWN]!r} is of an unknown kind, {header.type!r}")
        if header.type == b"\0" and name.endswith("/"):
            kind = MemberKind.DIRECTORY  # formats older than ustar have no type for it
        member = Member(
            name,
            kind,
            mode=header.mode & 0o7777,
            uid=_number(values, "uid", header.uid, _LARGEST_ID),
            gid=_number(values, "gid", header.gid, _LARGEST_ID),
            mtime_ns=_time(values, header),
        )
        if kind in (MemberKind.SYMLINK, MemberKind.HARD_LINK):
            member.target = values.get("linkpath") or header.target
            if not member.target or "\0" in member.target:
                raise TarError(f"{name[:_SHOWN]!r} is a link to {member.target[:_SHOWN]!r}")
        elif kind in (MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE):
            member.device = header.device
            if not all(0 <= number <= _LARGEST_DEVICE for number in member.device):
                raise TarError(f"{name[:_SHOWN]!r} is a device that cannot exist")
        elif kind is MemberKind.FILE:
            self._begin_contents(member, header, values, records)
        if self._extended:
            member.extended = {
                key[len(_EXTENDED) :]: value.encode("utf-8", "surrogateescape")
                for key, value in records
                if key.startswith(_EXTENDED)
            }
        return member

    def _begin_contents(
        self, member: Member, header: Header, values: dict[str, str], records: list[Record]
    ) -> None:
        stored = _number(values, "size", header.size, (1 << 63) - 1)
        extents, size = [(0, stored)], stored
        old = header.type == b"S"
        if old:
            extents, size = sparse.old_format(header.block, lambda: self._exactly(BLOCK))
        self._left, self._padding = stored, padding(stored)
        found = None if old else sparse.in_records(records)
        if not old and (values.get("GNU.sparse.major"), values.get("GNU.sparse.minor")) == (
            "1",
            "0",
        ):
            found = sparse.before_data(self._stored_block)
        if found is not None:
            extents = found
            size = parse_decimal(
                values.get("GNU.sparse.realsize") or values.get("GNU.sparse.size") or ""
            )
        member.extents, member.size = sparse.checked(extents, size), size
        if member.stored > self._left:
            raise TarError(f"{member.name[:_SHOWN]!r} has more data in its map than in the tar")

    def _stored_block(self) -> bytes:
        """A block of the current member's contents, which may be its last and shorter."""
        size = min(BLOCK, self._left)
        if not size:
            raise TarError("a map of holes ends early")
        self._left -= size
        return self._exactly(size)

    def _payload(self, header: Header, most: int) -> bytes:
        size = header.size
        if not 0 <= size <= most:
            raise TarError(f"an extended header cannot have {size} bytes, at most {most} are left")
        data = self._exactly(size)
        self._exactly(padding(size))
        return data

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise TarError("the stream ends within a member")
        return data

    def _skip(self, size: int) -> None:
        for start in range(0, size, _CHUNK):
            self._exactly(min(_CHUNK, size - start))


def _collect(records: list[Record], kind: bytes, payload: bytes, *, extended: bool) -> None:
    """Add what an extended header or a long name, by its type flag, says of the next member."""
    if kind in (b"L", b"K"):
        name = payload.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        found: Iterable[Record] = [("path" if kind == b"L" else "linkpath", name)]
    else:
        found = pax.parse(payload)
    for record in found:
        if record[0] in _KEYS or (extended and record[0].startswith(_EXTENDED)):
            if len(records) == _MOST_RECORDS:
                raise TarError(f"a member has more than {_MOST_RECORDS} extended records")
            records.append(record)


def _number(values: dict[str, str], key: str, default: int, most: int) -> int:
    number = parse_decimal(values[key]) if key in values else default
    if not 0 <= number <= most:
        raise TarError(f"{key} cannot be {number}")
    return number


def _time(values: dict[str, str], header: Header) -> int:
    if "mtime" in values:
        return parse_time(values["mtime"])
    return checked_time(header.mtime * 10**9)
