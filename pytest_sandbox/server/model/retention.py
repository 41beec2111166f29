"""How long finished items stay readable: until newer ones need the room."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Retention(Generic[T]):
    """Finished items in the order they finished, bounded by number and by bytes.

    Args:
        max_items: how many are retained.
        max_bytes: how many bytes they may hold together; the newest is retained whatever it holds.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._held: OrderedDict[T, int] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that the items hold together."""
        return self._bytes

    def add(self, item: T, size: int) -> list[T]:
        """Retain an item that just finished; which ones are evicted for it, the oldest."""
        evicted: list[T] = []
        self._held[item] = size
        self._bytes += size
        while len(self._held) > self._max_items or (
            self._bytes > self._max_bytes and len(self._held) > 1
        ):
            oldest, freed = self._held.popitem(last=False)
            self._bytes -= freed
            evicted.append(oldest)
        return evicted
