"""HPACK (RFC 7541) for headers that are nearly the same in each call.

What `hpack` does to make headers short, by Huffman's code and a table of those sent before, takes
a fifth of the time of a call, and on one machine short headers gain nothing. So they are written
as they are, which needs no table. Then the same headers are always the same bytes, which both
ends remember.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hpack import Decoder
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

if TYPE_CHECKING:
    from collections.abc import Iterable

#: First bits of a header: one of the static table, one that is written, a new size of the table
#: (sections 6.1, 6.2.2 and 6.3).
_INDEXED, _LITERAL, _TABLE_SIZE = 0x80, 0x00, 0x20
#: The last bits of a header that is written, which are the index of its name.
_NAME = 0x0F
#: The first bit of text in Huffman's code (section 5.2).
_HUFFMAN = 0x80
#: A length of text that takes more than one byte, or Huffman's code.
_LONG = 0x7F
#: Bytes of a block of headers that may be remembered: more than a call with a token has.
_LONGEST = 1024
#: Bytes that each header counts for, besides its own: RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE.
_OVERHEAD = 32
_TABLE = HeaderTable()
#: The static table by index, which begins with 1.
_STATIC = {
    index: (name.decode("ascii"), value.decode("ascii"))
    for index, (name, value) in enumerate(HeaderTable.STATIC_TABLE, 1)
}


class HeaderEncoder:
    """Writes each header in the same way, whatever was sent before."""

    def __init__(self) -> None:
        self._table_size = _TABLE.maxsize
        self._first = b""

    def shrink_table(self, size: int) -> None:
        """The peer wants to remember no more than so many bytes of headers.

        It is told that it does (section 4.2); it has nothing to remember anyway.
        """
        if size < self._table_size:
            self._table_size = size
            self._first = _integer(size, 5, _TABLE_SIZE)

    def encode(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """The bytes of a block of headers."""
        block = b"".join([_field(name, value) for name, value in headers])
        if self._first:
            block, self._first = self._first + block, b""
        return block


@lru_cache(maxsize=512)
def _field(name: str, value: str) -> bytes:
    own, content = name.encode(), value.encode()
    index, _, known = _TABLE.search(own, content) or (0, own, None)
    if known is not None:
        return _integer(index, 7, _INDEXED)
    written_name = b"" if index else _integer(len(own), 7) + own
    return _integer(index, 4, _LITERAL) + written_name + _integer(len(content), 7) + content


@lru_cache(maxsize=512)
def _integer(value: int, bits: int, first: int = 0) -> bytes:
    """A number in the last bits of its first byte, and in more if need be: section 5.1."""
    field = encode_integer(value, bits)
    field[0] |= first
    return bytes(field)


class HeaderDecoder:
    """Reads blocks that need no table quickly, and all others too.

    Args:
        most: bytes that the headers of one block may have.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._any = Decoder(most)

    def decode(self, block: bytes) -> Iterable[tuple[str, str]]:
        """The headers of a block.

        Raises:
            HPACKError: it is no such block, or has too many headers.
            UnicodeDecodeError: one is not ASCII.
        """
        if len(block) <= _LONGEST:
            headers, size = _headers(block)
            if headers and size <= self.most:
                return headers
        raw = self._any.decode(block, raw=True)
        return [(name.decode("ascii"), value.decode("ascii")) for name, value in raw]


#: By the size of a block, where the headers ended of the last one that had it: in most, all but
#: one header are those of that one.
_ends: dict[int, list[int]] = {}


@lru_cache(maxsize=512)
def _headers(block: bytes) -> tuple[tuple[tuple[str, str], ...], int]:
    """The headers of a block and their size; none if it needs a table, or Huffman's code."""
    try:
        headers = _alike(block) or _all(block)
    except (LookupError, ValueError):
        return (), 0
    return tuple(headers), sum([len(name) + len(value) + _OVERHEAD for name, value in headers])


def _all(block: bytes) -> list[tuple[str, str]]:
    text = block.decode("latin-1")
    headers, ends, at = [], [], 0
    while at < len(block):
        header, at = _header(block, text, at)
        headers.append(header)
        ends.append(at)
    _ends[len(block)] = ends
    return headers


def _alike(block: bytes) -> list[tuple[str, str]]:
    """The headers of a block that end where those of another one did; none if they do not."""
    headers, start = [], 0
    for end in _ends.get(len(block), ()):
        header = _one(block[start:end])
        if header is None:
            return []
        headers.append(header)
        start = end
    return headers


@lru_cache(maxsize=512)
def _one(block: bytes) -> tuple[str, str] | None:
    """The header that is all of a block; `None` if there is no such."""
    try:
        header, end = _header(block, block.decode("latin-1"), 0)
    except (LookupError, ValueError):
        return None
    return header if end == len(block) else None


def _header(block: bytes, text: str, start: int) -> tuple[tuple[str, str], int]:
    """The header that begins there, and where it ends.

    Raises:
        LookupError, ValueError: it is none of the static table, not written as it is, or no ASCII.
    """
    first = block[start]
    if first & _INDEXED:
        index, at = _number(block, start, 7)
        return _STATIC[index], at
    if first > _NAME:
        raise ValueError("it changes the table, or must not be in any")
    if first:
        index, at = _number(block, start, 4)
        name = _STATIC[index][0]
    else:
        name, at = _text(block, text, start + 1)
    value, at = _text(block, text, at)
    return (name, value), at


def _text(block: bytes, text: str, start: int) -> tuple[str, int]:
    """The text that begins there, with its length before it, and where it ends."""
    length, at = block[start], start + 1
    if length >= _LONG:
        if length & _HUFFMAN:
            raise ValueError("it is in Huffman's code")
        length, at = _number(block, start, 7)
    end = at + length
    part = text[at:end]
    if end > len(text) or not part.isascii():
        raise ValueError("it ends before, or is no ASCII")
    return part, end


def _number(block: bytes, start: int, bits: int) -> tuple[int, int]:
    """The number in the last bits of a byte, and in two more if need be, and where it ends."""
    most = (1 << bits) - 1
    number = block[start] & most
    if number < most:
        return number, start + 1
    number += block[start + 1] & 0x7F
    if not block[start + 1] & 0x80:
        return number, start + 2
    if block[start + 2] & 0x80:
        raise ValueError("it is larger than a block")
    return number + (block[start + 2] << 7), start + 3
