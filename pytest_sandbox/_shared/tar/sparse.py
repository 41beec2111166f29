"""Maps of files with holes: GNU tar's manual, appendix "Storing Sparse Files"."""

from __future__ import annotations

from .header import padding
from .member import TarError
from .numbers import MOST_DIGITS, parse_decimal, parse_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .pax import Record

    Extents = list[tuple[int, int]]

#: Bytes that a map of version 1.0 may take.
_LARGEST_MAP = 1 << 23
_PAIR = 24  # bytes of an offset and a length in the old format
_LARGEST_FILE = (1 << 63) - 1


def checked(extents: Extents, size: int) -> Extents:
    """The parts of a file that have data, if they lie inside the file; else `TarError`."""
    if not 0 <= size <= _LARGEST_FILE:
        raise TarError(f"a file cannot have {size} bytes")
    for offset, length in extents:
        if offset < 0 or length < 0 or offset + length > size:
            raise TarError(f"a map has {length} bytes at {offset} in a file of {size}")
    return [(offset, length) for offset, length in extents if length]


def old_format(block: bytes, more: Callable[[], bytes]) -> tuple[Extents, int]:
    """The map and the size of a member of GNU's old format, in its header and blocks behind it.

    Args:
        block: the header.
        more: reads the next block.
    """
    extents = _pairs(block[386:482])
    size = parse_field(block[483:495])
    extended = block[482]
    while extended:
        following = more()
        extents += _pairs(following[:504])
        extended = following[504]
        if len(extents) * _PAIR > _LARGEST_MAP:
            raise TarError("a map of holes is too large")
    return extents, size


def _pairs(data: bytes) -> Extents:
    pairs = []
    for start in range(0, len(data), _PAIR):
        pair = data[start : start + _PAIR]
        if pair[0] == 0:
            break  # unused from here on
        pairs.append((parse_field(pair[:12]), parse_field(pair[12:])))
    return pairs


def in_records(records: list[Record]) -> Extents | None:
    """The map of versions 0.0 and 0.1, which is in the extended header; `None` if there is none."""
    for key, value in records:
        if key == "GNU.sparse.map":
            return _paired([parse_decimal(number) for number in value.split(",") if number])
    numbers = [
        parse_decimal(value)
        for key, value in records
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")
    ]
    return _paired(numbers) if numbers else None


def _paired(numbers: list[int]) -> Extents:
    if len(numbers) % 2:
        raise TarError("a map of holes has an offset without a length")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def before_data(read_block: Callable[[], bytes]) -> Extents:
    """The map of version 1.0, which precedes the data: numbers in lines, padded to a block."""
    numbers: list[int] = []
    rest = b""
    size = 0
    while not numbers or len(numbers) <= 2 * numbers[0]:
        if len(rest) > MOST_DIGITS:
            # Otherwise a line that never ends would be searched anew with each block.
            raise TarError("a map of holes has a line that is too long for a number")
        block = read_block()
        size += len(block)
        if size > _LARGEST_MAP:
            raise TarError("a map of holes is too large")
        *lines, rest = (rest + block).split(b"\n")
        # Behind the last number there are zeros up to the end of the block.
        numbers += [parse_decimal(line.decode("latin-1")) for line in lines]
    return _paired(numbers[1 : 1 + 2 * numbers[0]])


def encode(extents: Extents, size: int) -> bytes:
    """A map of version 1.0; an empty part at the end of the file tells where the last hole ends."""
    pairs = [*extents, (size, 0)]
    numbers = [len(pairs), *(number for pair in pairs for number in pair)]
    table = b"".join(b"%d\n" % number for number in numbers)
    return table + bytes(padding(len(table)))
