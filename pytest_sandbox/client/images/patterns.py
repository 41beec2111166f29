"""Which files are left out: patterns as in a `.dockerignore`, or a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.patterns import regex

from ..validation import check_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def ignoring(ignore: Sequence[str] | Callable[[Path], bool]) -> Callable[[Path], bool]:
    """A function that says of a relative path whether it is left out.

    Args:
        ignore: such a function, or patterns: `*` and `?` match within a name, `**` any number of
            names, and one that begins with `!` includes again what an earlier one left out. A
            directory that matches is left out with all that is in it.

    Raises:
        InvalidError: it is neither.
    """
    if callable(ignore):
        return ignore
    check_list("ignore", ignore, "patterns")
    lines = (line.strip() for line in ignore)
    rules = [
        (not each.startswith("!"), regex(each.lstrip("!")))
        for each in lines
        if each and each[0] != "#"
    ]

    def ignored(path: Path) -> bool:
        out = False
        for leaves_out, matching in rules:
            if matching.fullmatch(path.as_posix()):
                out = leaves_out
        return out

    return ignored
