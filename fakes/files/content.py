"""The bytes of a regular file: sparse, and cheap to copy."""

from collections.abc import Iterator

#: Bytes are held in blocks of this size; a block that was never written is a hole.
BLOCK = 64 * 1024


class Content:
    """Immutable blocks in a dictionary, so that a copy shares them all.

    A block may be shorter than `BLOCK`: what is missing reads as zeros.
    """

    __slots__ = ("_blocks", "size")

    def __init__(self, data: bytes = b"") -> None:
        self._blocks: dict[int, bytes] = {}
        self.size = 0
        if data:
            self.write(0, data)

    def copy(self) -> "Content":
        """An independent content with the same bytes."""
        other = Content()
        other._blocks, other.size = self._blocks.copy(), self.size
        return other

    @property
    def allocated(self) -> int:
        """Bytes held; less than `size` if there are holes."""
        return sum(map(len, self._blocks.values()))

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; holes read as zeros."""
        end = min(offset + size, self.size)
        parts = []
        while offset < end:
            index, start = divmod(offset, BLOCK)
            stop = min(BLOCK, start + end - offset)
            part = self._blocks.get(index, b"")[start:stop]
            parts.append(part.ljust(stop - start, b"\0"))
            offset += stop - start
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> int:
        """Replace or add bytes at `offset`; a gap before it becomes a hole.

        Returns:
            How many more bytes are held now.
        """
        position = more = 0
        while position < len(data):
            index, start = divmod(offset + position, BLOCK)
            piece = data[position : position + BLOCK - start]
            old = self._blocks.get(index, b"")
            self._blocks[index] = (
                old[:start].ljust(start, b"\0") + piece + old[start + len(piece) :]
            )
            more += len(self._blocks[index]) - len(old)
            position += len(piece)
        if data:
            self.size = max(self.size, offset + len(data))
        return more

    def truncate(self, size: int) -> None:
        """Cut or extend; the extension is a hole."""
        if size < self.size:
            last, keep = divmod(size, BLOCK)
            self._blocks = {i: b for i, b in self._blocks.items() if i <= last}
            if last in self._blocks:
                self._blocks[last] = self._blocks[last][:keep]
            if not self._blocks.get(last, b"-"):
                del self._blocks[last]
        self.size = size

    def extents(self) -> Iterator[tuple[int, int]]:
        """Where data lies, as offset and length in rising order, neighbours joined."""
        start = end = 0
        for index in sorted(self._blocks):
            offset = index * BLOCK
            if offset != end or start == end:
                if start != end:
                    yield start, end - start
                start = offset
            end = offset + len(self._blocks[index])
        if start != end:
            yield start, end - start
