"""Utilities that a shell has of its own differ from those of coreutils, and from each other."""

from enum import Enum


class Dialect(Enum):
    """Whose behaviour a utility has."""

    COREUTILS = "coreutils"
    DASH = "dash"
    BASH = "bash"
