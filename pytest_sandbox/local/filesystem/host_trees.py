"""Folders of the machine that sandboxes show, as they lie in the zygote's stage.

A tree with a layer is the base of an overlay in each sandbox, which holds what that one writes. All
others are mounted as they are, read-only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class HostTree:
    """One folder of the machine.

    Args:
        number: its name in the stage, and that of its part in a store.
        path: where it shows in a sandbox.
        layered: whether it has a layer.
        masked: whether `/hidden/N` lies over it, which hides some of its files.
        shown: in which sandboxes it shows: `"always"`, `"with project"` or `"without project"`.

    Attributes:
        part: the name of what a sandbox writes over it, in its store.
        lower: the lower directories of its overlay, relative to `/layers`.
    """

    __slots__ = ("layered", "lower", "masked", "number", "part", "path", "shown")

    def __init__(self, number: int, path: str, shown: str, *, layered: bool, masked: bool) -> None:
        self.number = number
        self.path = path
        self.shown = shown
        self.layered = layered
        self.masked = masked
        self.part = str(number)
        self.lower = f"../hidden/{number}:../trees/{number}" if masked else f"../trees/{number}"


def shown_in(trees: list[HostTree], *, project: bool, image: bool = False) -> list[HostTree]:
    """Those of some trees that a sandbox shows.

    Args:
        trees: folders of the machine.
        project: whether it shows the project.
        image: whether its root is made of an image, which shows nothing else of the machine.
    """
    if image:
        return [tree for tree in trees if project and tree.shown == "with project"]
    other = "without project" if project else "with project"
    return [tree for tree in trees if tree.shown != other]


def in_order(trees: Iterable[HostTree]) -> list[HostTree]:
    """Trees in the order in which they are mounted: one that another lies in comes first."""
    return sorted(trees, key=lambda tree: tree.path)


def parts_of(trees: list[HostTree]) -> list[str]:
    """What a store has: the part of the root, then those of trees."""
    return ["r", *(tree.part for tree in trees if tree.layered)]
