"""Functions that pytest takes for other ones."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def disguise(function: Any, body: Callable[..., object], names: Iterable[str]) -> None:
    """Give a function the name, the docstring and the source of another one.

    Args:
        function: what pytest will call; it takes `**keywords`.
        body: what `pytest --fixtures` and tracebacks show instead.
        names: the parameters that pytest sees: the fixtures it will pass.
    """
    functools.update_wrapper(function, body)
    keyword = inspect.Parameter.KEYWORD_ONLY
    function.__signature__ = inspect.Signature(
        [inspect.Parameter(name, keyword) for name in dict.fromkeys(names)]
    )
