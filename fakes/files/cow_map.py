"""A map from small integers to objects that can be forked in constant time."""

from typing import Generic, Protocol, TypeVar

_BITS = 5
_WIDTH = 1 << _BITS
_MASK = _WIDTH - 1


class Owned(Protocol):
    """A value that knows which map may change it in place."""

    owner: object


T = TypeVar("T", bound=Owned)


class _Node:
    """One level of the trie: 32 slots, with nodes below or, at the bottom, values."""

    __slots__ = ("owner", "slots")

    def __init__(self, owner: object, slots: list[object]) -> None:
        self.owner = owner
        self.slots = slots


class CowMap(Generic[T]):
    """A radix trie with copy-on-write nodes.

    `fork` shares everything and costs the same whatever the size: both sides get a new identity,
    so that no node belongs to either, and each copies the few nodes on the way to what it changes,
    once. A value may be changed in place only if its `owner` is the map's `identity`.

    Args:
        levels: of `fork` only: the height of the trie.
        root: of `fork` only: the node at its top, which stays the other map's.
    """

    __slots__ = ("_levels", "_root", "identity")

    def __init__(self, levels: int = 1, root: _Node | None = None) -> None:
        self.identity = object()
        self._levels = levels
        self._root = _Node(self.identity, [None] * _WIDTH) if root is None else root

    def fork(self) -> "CowMap[T]":
        """A second map with the same values; changes to one are not seen by the other."""
        self.identity = object()
        return CowMap(self._levels, self._root)

    def get(self, key: int) -> T | None:
        """The value, or `None`."""
        if key >> (self._levels * _BITS):
            return None
        found: object = self._root
        for shift in range((self._levels - 1) * _BITS, -1, -_BITS):
            if found is None:
                return None
            found = found.slots[(key >> shift) & _MASK]  # type: ignore[attr-defined]
        return found  # type: ignore[return-value]

    def put(self, key: int, value: T | None) -> None:
        """Set a value, or forget it with `None`."""
        while key >> (self._levels * _BITS):
            above: list[object] = [self._root, *[None] * (_WIDTH - 1)]
            self._root = _Node(self.identity, above)
            self._levels += 1
        self._root = node = self._own(self._root)
        for shift in range((self._levels - 1) * _BITS, 0, -_BITS):
            index = (key >> shift) & _MASK
            below = self._own(node.slots[index])
            node.slots[index] = below
            node = below
        node.slots[key & _MASK] = value

    def _own(self, node: object) -> _Node:
        if node is None:
            return _Node(self.identity, [None] * _WIDTH)
        assert isinstance(node, _Node)
        return node if node.owner is self.identity else _Node(self.identity, node.slots.copy())
