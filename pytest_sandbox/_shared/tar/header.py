"""Header blocks: pax(1), "ustar Interchange Format"; tar(5) for those of GNU and older ones."""

from __future__ import annotations

from .member import BLOCK, TarError
from .numbers import parse_field

_MAGIC = b"ustar\x0000"
#: The largest number in octal digits, by the width of its field with the NUL at the end.
_OCTAL = {8: 0o7777777, 12: 0o77777777777}
_CHECKSUM = slice(148, 156)
_BLANK = b" " * 8


class Header:
    """One block, not interpreted beyond its fields.

    Args:
        block: its bytes.

    Raises:
        TarError: its checksum is wrong.
    """

    __slots__ = ("block",)

    def __init__(self, block: bytes) -> None:
        self.block = block
        given = parse_field(block[_CHECKSUM])
        # Its own field counts as blanks; behind the names are zeros mostly.
        unsigned = sum(block.rstrip(b"\0")) - sum(block[_CHECKSUM]) + len(_BLANK) * ord(" ")
        if given == unsigned:
            return
        # Some old programs added up signed characters.
        blank = block[:148] + _BLANK + block[156:]
        if given != unsigned - 256 * sum(byte > 127 for byte in blank):
            raise TarError("a header has a wrong checksum")

    @property
    def type(self) -> bytes:
        """The type flag."""
        return self.block[156:157]

    @property
    def name(self) -> str:
        """The name, with the prefix of POSIX' format; GNU's has other fields there."""
        name = self.last_name
        prefix = _text(self.block[345:500]) if self.block[257:263] == b"ustar\0" else ""
        return f"{prefix}/{name}" if prefix else name

    @property
    def last_name(self) -> str:
        """The name without a prefix."""
        return _text(self.block[:100])

    @property
    def target(self) -> str:
        """The link name."""
        return _text(self.block[157:257])

    @property
    def mode(self) -> int:
        """The mode."""
        return parse_field(self.block[100:108])

    @property
    def uid(self) -> int:
        """The owner."""
        return parse_field(self.block[108:116])

    @property
    def gid(self) -> int:
        """The group."""
        return parse_field(self.block[116:124])

    @property
    def size(self) -> int:
        """Bytes that follow the header, without padding."""
        return parse_field(self.block[124:136])

    @property
    def mtime(self) -> int:
        """The modification time, in seconds."""
        return parse_field(self.block[136:148])

    @property
    def device(self) -> tuple[int, int]:
        """Major and minor number."""
        return parse_field(self.block[329:337]), parse_field(self.block[337:345])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def fits(number: int, width: int) -> bool:
    """Whether a field of so many bytes can hold a number as octal digits."""
    return 0 <= number <= _OCTAL[width]


def encode(
    name: bytes,
    kind: bytes,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """A block; names are cut and numbers are 0 where they do not fit."""
    fields = [
        name[:100].ljust(100, b"\0"),
        _octal(mode, 8),
        _octal(uid, 8),
        _octal(gid, 8),
        _octal(size, 12),
        _octal(mtime, 12),
        b" " * 8,
        kind,
        target[:100].ljust(100, b"\0"),
        _MAGIC,
        bytes(64),
        _octal(device[0], 8),
        _octal(device[1], 8),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number if fits(number, width) else 0)


def padding(size: int) -> int:
    """Bytes between the end of contents and the next block."""
    return -size % BLOCK
