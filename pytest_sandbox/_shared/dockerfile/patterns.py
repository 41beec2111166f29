"""Patterns of files, as in a `.dockerignore` and after `--exclude=`."""

from __future__ import annotations

import re


def regex(pattern: str) -> re.Pattern[str]:
    """What matches a relative path, and all that is in it.

    `*` and `?` match within a name, `**` any number of names.
    """
    text = ""
    for part in pattern.strip("/").removeprefix("./").split("/"):
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
