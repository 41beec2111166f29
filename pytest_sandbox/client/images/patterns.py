"""Which files are left out: patterns as in a `.dockerignore`, or a function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
    rules = [(not each.startswith("!"), _regex(each)) for each in lines if each and each[0] != "#"]

    def ignored(path: Path) -> bool:
        out = False
        for leaves_out, regex in rules:
            if regex.fullmatch(path.as_posix()):
                out = leaves_out
        return out

    return ignored


def _regex(pattern: str) -> re.Pattern[str]:
    text = ""
    for part in pattern.lstrip("!").strip("/").removeprefix("./").split("/"):
        if part == "**":
            text += "(?:[^/]+/)*"
            continue
        pieces = re.split(r"(\*\*|\*|\?|\[[^\]]+\])", part)
        known = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
        text += "".join(
            known.get(p, p if p[:1] == "[" and len(p) > 2 else re.escape(p)) for p in pieces
        )
        text += "/"
    return re.compile(text.removesuffix("/") + "(?:/.*)?" if text.endswith("/") else text + ".*")
