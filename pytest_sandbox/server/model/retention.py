"""How long finished things are kept: until newer ones need the room."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Retention(Generic[T]):
    """Things in the order they finished, bounded by number and by bytes.

    Args:
        items: how many are kept.
        size: how many bytes they may hold together; the newest is kept whatever it holds.
        forget: called with each that goes.
    """

    def __init__(self, items: int, size: int, forget: Callable[[T], None]) -> None:
        self._items = items
        self._size = size
        self._forget = forget
        self._held: OrderedDict[T, int] = OrderedDict()
        self._bytes = 0

    def add(self, item: T, size: int) -> None:
        """Keep one that just finished, and let the oldest go if that is too much."""
        self._held[item] = size
        self._bytes += size
        while len(self._held) > self._items or (self._bytes > self._size and len(self._held) > 1):
            oldest, freed = self._held.popitem(last=False)
            self._bytes -= freed
            self._forget(oldest)
