"""Checks the names of keyword arguments, so that an error says which name was meant."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from pytest_sandbox._shared.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: What to do in place of keywords that `subprocess` has for something that is done otherwise here.
_INSTEAD = {
    "capture_output": "output is always captured",
    "check": "use run(..., check=True)",
    "encoding": "output is UTF-8, or bytes with text=False",
    "errors": "read bytes with text=False, and decode them",
    "input": "use run(..., input=...), or write to stdin",
    "shell": "give the words of a shell: 'bash', '-c', 'COMMAND'",
    "user": "give the words of su: 'su', 'USER', '-c', 'COMMAND'",
}


class Keywords:
    """The keywords that a function takes.

    Args:
        function: the function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._known: frozenset[str] | None = None

    def check(self, given: Iterable[str], caller: Callable[..., Any]) -> None:
        """Refuse a keyword that the function does not take.

        Args:
            given: the keywords of a call.
            caller: what was called, for the error.

        Raises:
            TypeError: as Python does, and it says which keyword was meant.
        """
        if self._known is None:
            self._known = _keywords(self._function)
        for name in given:
            if name not in self._known and "**" not in self._known:
                problem = f"{caller.__name__}() got an unexpected keyword argument {name!r}"
                raise TypeError(f"{problem}; {_hint(name, sorted(self._known))}")


def _hint(name: str, known: list[str]) -> str:
    public = [each for each in known if not each.startswith("_")]
    takes = f"it takes {', '.join(public)}" if public else "it takes none"
    return _INSTEAD.get(name) or did_you_mean(name, public) or takes


def _keywords(function: Callable[..., Any]) -> frozenset[str]:
    """The names; with "**" among them if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {each.name for each in parameters if each.kind in by_name and each.name != "self"}
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        names.add("**")
    return frozenset(names)
