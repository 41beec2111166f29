"""From chunks of bytes to chunks or lines, of bytes or text."""

from __future__ import annotations

import codecs
from typing import Generic, TypeVar, cast

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)


class Lines:
    """Cuts a stream of bytes into lines, each with its newline; the last may have none."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk."""
        lines = chunk.split(b"\n")
        if len(lines) > 1:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += lines.pop()
        return [line + b"\n" for line in lines]

    def end(self) -> list[bytes]:
        """What is left when the stream ends."""
        rest = bytes(self._rest)
        self._rest.clear()
        return [rest] if rest else []


class Chunks(Generic[T]):
    """Turns chunks of a stream into the items that its reader is given.

    Args:
        text: decode UTF-8, wherever the borders of the chunks lie.
        by_line: give whole lines.
    """

    def __init__(self, *, text: bool, by_line: bool) -> None:
        self._lines = Lines() if by_line else None
        self._decoder = codecs.getincrementaldecoder("utf-8")() if text else None

    def feed(self, chunk: bytes) -> list[T]:
        """The items that are complete with this chunk.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        return self._decoded(self._lines.feed(chunk) if self._lines else [chunk], final=False)

    def end(self) -> list[T]:
        """What is left when the stream ends.

        Raises:
            UnicodeDecodeError: it ends within a character.
        """
        items = self._decoded(self._lines.end() if self._lines else [], final=False)
        return items + self._decoded([b""], final=True)

    def _decoded(self, items: list[bytes], *, final: bool) -> list[T]:
        if self._decoder is None:
            return cast("list[T]", [item for item in items if item])
        texts = [self._decoder.decode(item, final) for item in items]
        return cast("list[T]", [text for text in texts if text])
