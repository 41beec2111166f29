"""Utilities that a shell runs itself, in its own process."""

from ..programs import UTILITIES, Utility, posix_echo

_NAMES = frozenset(("[", "echo", "false", "kill", "printf", "test", "true"))


def inside(name: str, *, bash: bool) -> Utility | None:
    """The utility that a shell has for a command, or `None`."""
    if name not in _NAMES:
        return None
    return posix_echo if name == "echo" and not bash else UTILITIES[name]
