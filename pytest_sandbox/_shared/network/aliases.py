"""Names of sandboxes in a network of sandboxes."""

from __future__ import annotations

from .domains import canonical, is_pattern

#: What a program means by its own machine, which no other sandbox can be.
_OWN = ("ip6-localhost", "ip6-loopback", "localhost", "sandbox")
_NO_NAME = "must be a name such as 'db' or 'api.example.com'"


def problem_with_alias(alias: object) -> str:
    """Why a sandbox cannot have an alias, to be said after it; empty if it can."""
    if not isinstance(alias, str) or "*" in alias:
        return _NO_NAME
    last = alias.rpartition(".")[2]
    # As resolvers have it, a name whose last part is a number is an address, or none: WHATWG URL
    # Standard, "ends in a number"; inet_aton(3).
    if last.isdigit() or last.startswith("0x"):
        return "would be taken for an address"
    if not is_pattern(alias):
        return _NO_NAME
    if alias != canonical(alias):
        return f"must be in lower case and without a dot at the end: {canonical(alias)!r}"
    if alias in _OWN or last == "localhost":
        return "means the sandbox that asks for it, in every sandbox"
    return ""
