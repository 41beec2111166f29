"""Relative paths that stay below the directory that they start from."""

from __future__ import annotations

#: Characters of a path; enough for any tree, and a bound on what a hostile path can cost.
_LONGEST = 1 << 16
_SHOWN = 80


def parts(path: str) -> tuple[str, ...]:
    """The names on the way down, without `.`; none for the directory itself.

    Raises:
        ValueError: the path is absolute, contains `..` or a NUL character, or is too long.
    """
    if len(path) > _LONGEST:
        raise ValueError(f"{path[:_SHOWN]!r}... is longer than {_LONGEST} characters")
    names = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in names or "\0" in path:
        raise ValueError(f"{path[:_SHOWN]!r} would not stay below the directory")
    return names


def shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many names two paths have in common from the top down."""
    short = min(len(one), len(other))
    if one[:short] == other[:short]:
        return short
    return next(count for count in range(short) if one[count] != other[count])


def stays_inside(target: str, depth: int) -> bool:
    """Whether a link in a directory `depth` levels down cannot lead above level 0.

    `..` may only come first: behind a name it would be relative to wherever that name leads.
    """
    if target.startswith("/"):
        return False
    names = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((number for number, part in enumerate(names) if part != ".."), len(names))
    return ups <= depth and ".." not in names[ups:]


def is_name(text: str) -> bool:
    """Whether it can be the name of one directory entry."""
    return text not in ("", ".", "..") and "/" not in text and "\0" not in text
