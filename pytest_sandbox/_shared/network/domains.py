"""Names of hosts, and patterns for them."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
# Compiled when they are first used: the name alone takes longer than to import the module.
_NAME = rf"(?a){_LABEL}(\.{_LABEL})*"
_LONGEST = 253
_ADDRESS = r"(?a)\d+(\.\d+){3}"
#: A name with what surrounds it in URLs: a scheme, a port, a path.
_URL = r"(?a)^(?:\w+://)?(?:[^/@]*@)?([^/:@]+)(?::\d+)?(?:/.*)?$"


def canonical(name: str) -> str:
    """A name as it is compared: in lower case, without the dot at its end."""
    return name.lower().removesuffix(".")


def is_pattern(pattern: object) -> bool:
    """Whether it is a name, a name after `*.`, or `*`; of ASCII, so other scripts as Punycode."""
    if not isinstance(pattern, str):
        return False
    name = canonical(pattern).removeprefix("*.")
    if re.fullmatch(_ADDRESS, name):
        return False
    return pattern == "*" or (len(name) <= _LONGEST and re.fullmatch(_NAME, name) is not None)


def problem_with_pattern(pattern: object) -> str:
    """Why something is no pattern, and what may be meant; empty if it is one."""
    if is_pattern(pattern):
        return ""
    text = f"Invalid domain: {pattern!r}: it must be a name, '*.' and a name, or '*'"
    return f"{text}; {near}" if (near := meant_by_pattern(pattern)) else text


def meant_by_pattern(text: object) -> str:
    """What may be meant by something that is no pattern; empty if that is not known."""
    if not isinstance(text, str):
        return ""
    if re.fullmatch(_ADDRESS, text.partition("/")[0]) or text.count(":") > 1:
        return f"{text!r} is for cidr_allowlist"
    name = re.sub(_URL, r"\1", text.strip())
    if name.startswith((".", "*")):
        name = f"*.{name.lstrip('*.')}"
    return f"did you mean {name!r}?" if name != text and is_pattern(name) else ""


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
