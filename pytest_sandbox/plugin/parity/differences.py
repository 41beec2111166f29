"""Plain values, and how two of them differ."""

from __future__ import annotations

import difflib
import math
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many differences of one value a report shows, how many lines of text of each, and how many
#: characters of a value.
_SHOWN, _LINES, _CHARACTERS = 5, 30, 300


class NotPlain(ValueError):
    """A value is of a type that cannot be compared between engines."""


class _Missing:
    def __repr__(self) -> str:
        return "(missing)"


_MISSING = _Missing()
_KINDS: tuple[Any, ...] = (str, bytes, int, float)
#: A difference: where it is in the value, and both values there.
_Difference = tuple[str, Any, Any]
#: A value, and the engine that it is of.
_Side = tuple[str, Any]


def plain(value: Any, path: str = "") -> Any:
    """A value as it is recorded: tuples become lists, and subclasses what they derive from.

    Raises:
        NotPlain: it is, or contains, something else than text, bytes, numbers, `None`, lists,
            tuples and dicts.
    """
    if value is None or isinstance(value, bool):
        return value
    for kind in _KINDS:
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    if isinstance(value, list | tuple):
        return [plain(each, f"{path}[{place}]") for place, each in enumerate(value)]
    if isinstance(value, dict):
        return {plain(key, path): plain(each, f"{path}[{key!r}]") for key, each in value.items()}
    where = f"the value at {path}" if path else "the value"
    hint = "give sorted(...)" if isinstance(value, set | frozenset) else "give its parts"
    raise NotPlain(
        f"{where} is of type {type(value).__name__}; text, bytes, numbers, None, and lists and "
        f"dicts of these can be compared: {hint}, or normalize="
    )


def described(first: _Side, second: _Side, tolerance: float = 0) -> str:
    """How two values differ, for people; empty if they do not."""
    found = _differences(first[1], second[1], tolerance, "")
    shown = list(islice(found, _SHOWN))
    lines = [line for each in shown for line in _lines(each, first[0], second[0])]
    more = sum(1 for _ in found)
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def _differences(one: Any, other: Any, tolerance: float, path: str) -> Iterator[_Difference]:
    if isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            here, there = (each[place] if place < len(each) else _MISSING for each in (one, other))
            yield from _differences(here, there, tolerance, f"{path}[{place}]")
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            here, there = one.get(key, _MISSING), other.get(key, _MISSING)
            yield from _differences(here, there, tolerance, f"{path}[{key!r}]")
    elif not _equal(one, other, tolerance):
        yield path, one, other


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if _is_number(one) and _is_number(other):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or one == other or abs(one - other) <= tolerance
    # True is 1 for Python, but an exit code is no answer to a question.
    return type(one) is type(other) and bool(one == other)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lines(difference: _Difference, first: str, second: str) -> Iterator[str]:
    path, one, other = difference
    if path:
        yield f"at {path}:"
    if isinstance(one, str) and isinstance(other, str) and (_has_lines(one) or _has_lines(other)):
        yield from _of_texts((first, one), (second, other))
        return
    width = max(len(first), len(second)) + 1
    for engine, value in ((first, one), (second, other)):
        yield f"  {engine + ':':{width}} {_short(value)}"


def _has_lines(text: str) -> bool:
    return "\n" in text.removesuffix("\n")


def _of_texts(first: _Side, second: _Side) -> Iterator[str]:
    """The lines that differ, quoted, so that white space and escape sequences show."""
    old, new = (side[1].splitlines(keepends=True) for side in (first, second))
    lines = list(difflib.unified_diff(old, new, first[0], second[0], lineterm=""))
    for number, line in enumerate(lines[:_LINES]):
        heading = number < 2 or line.startswith("@@")
        yield line if heading else line[0] + _short(line[1:])
    if len(lines) > _LINES:
        yield f"and {len(lines) - _LINES} more lines"


def _short(value: object) -> str:
    text = repr(value)
    left_out = len(text) - _CHARACTERS
    return text if left_out <= 0 else f"{text[:_CHARACTERS]}... and {left_out} more characters"
