"""Names of types in error messages."""

from __future__ import annotations


def type_name(value: object) -> str:
    """The type of a value with its article, as in `an int`."""
    name = type(value).__name__
    # Not "u": the types that begin with it are spoken as "you", as in `a UUID`.
    article = "an" if name[0] in "AEIOaeio" else "a"
    return f"{article} {name}"
