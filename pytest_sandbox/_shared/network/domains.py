"""Names of hosts, and patterns for them."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_LONGEST = 253


def canonical(name: str) -> str:
    """A name as it is compared: in lower case, without the dot at its end."""
    return name.lower().removesuffix(".")


def is_pattern(pattern: object) -> bool:
    """Whether it is a name, a name after `*.`, or `*`; of ASCII, so other scripts as Punycode."""
    if not isinstance(pattern, str):
        return False
    name = canonical(pattern).removeprefix("*.")
    return pattern == "*" or (len(name) <= _LONGEST and _NAME.fullmatch(name) is not None)


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern allows a name.

    Args:
        name: canonical.
        pattern: `"example.com"`; `"*.example.com"` for all names below it, but not itself; `"*"`.
    """
    pattern = canonical(pattern)
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and name != pattern[1:]
    return pattern in ("*", name)
