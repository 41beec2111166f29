"""Hints for names that do not exist: "did you mean"."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many similar names a hint lists.
_MOST = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'timeout'?` if known names are similar, else an empty text."""
    by_folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=_MOST)
    if not near:
        return ""
    return "did you mean " + " or ".join(repr(by_folded[each]) for each in near) + "?"
