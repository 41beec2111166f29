"""Utilities that a shell runs itself, in its own process."""

from ..programs import SHELL_UTILITIES, Dialect, Utility


def inside(name: str, *, bash: bool) -> Utility | None:
    """The utility that a shell has for a command, or `None`."""
    return SHELL_UTILITIES[Dialect.BASH if bash else Dialect.DASH].get(name)
