"""How long finished items stay readable: until newer ones need the room."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Retention(Generic[T]):
    """Finished items in the order they finished, bounded by number and by bytes.

    Args:
        max_items: how many are retained.
        max_bytes: how many bytes they may hold together; the newest is retained whatever it holds.
        forget: called with each item that is evicted.
    """

    def __init__(self, max_items: int, max_bytes: int, forget: Callable[[T], None]) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._forget = forget
        self._held: OrderedDict[T, int] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that the items hold together."""
        return self._bytes

    def add(self, item: T, size: int) -> None:
        """Retain an item that just finished, and evict the oldest ones if there are too many."""
        self._held[item] = size
        self._bytes += size
        while len(self._held) > self._max_items or (
            self._bytes > self._max_bytes and len(self._held) > 1
        ):
            oldest, freed = self._held.popitem(last=False)
            self._bytes -= freed
            self._forget(oldest)
