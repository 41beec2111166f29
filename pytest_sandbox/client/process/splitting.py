"""Cuts a stream of bytes, which comes in chunks, into items that can be decoded one by one.

Splitters hold back only incomplete items. So the state of a reader between two
items is a position in the stream and the few bytes held back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class Splitter(ABC):
    """Cuts a stream of bytes into items, none of them empty."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @abstractmethod
    def feed(self, chunk: bytes) -> list[bytes]:
        """The items that are complete with this chunk."""

    def end(self) -> list[bytes]:
        """What is left when the stream ends."""
        rest = bytes(self._rest)
        self._rest.clear()
        return [rest] if rest else []


class Chunks(Splitter):
    """The chunks as they come."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The chunk."""
        return [chunk] if chunk else []


class Characters(Splitter):
    """The chunks as they come, but for a UTF-8 character that the end of a chunk cuts in two."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """What was held back and the chunk, up to its last complete character."""
        data = bytes(self._rest) + chunk
        end = len(data) - _incomplete(data)
        self._rest[:] = data[end:]
        return [data[:end]] if end else []


class Lines(Splitter):
    """Lines, each with its newline; the last may have none."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk."""
        lines = chunk.split(b"\n")
        if len(lines) > 1:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += lines.pop()
        return [line + b"\n" for line in lines]


def splitter(*, text: bool, by_line: bool) -> Splitter:
    """The splitter of a reader.

    Args:
        text: items will be decoded as UTF-8.
        by_line: items are lines.
    """
    if by_line:
        return Lines()  # no character of UTF-8 but the newline itself has the byte of a newline
    return Characters() if text else Chunks()


def split_all(data: bytes, splitter: Splitter) -> list[bytes]:
    """The items of a whole stream."""
    return [*splitter.feed(data), *splitter.end()]


async def split(
    chunks: AsyncGenerator[bytes, None], splitter: Splitter
) -> AsyncGenerator[list[bytes], None]:
    """The items of a stream, in batches that are not empty."""
    async for chunk in chunks:
        if items := splitter.feed(chunk):
            yield items
    if items := splitter.end():
        yield items


def _incomplete(data: bytes) -> int:
    """Bytes at the end that begin a character of UTF-8 and do not end it (RFC 3629, section 3)."""
    for count in range(1, min(4, len(data) + 1)):
        byte = data[-count]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return count if count < length else 0
    return 0
