"""Names of Modal's client that this package does not have, and refuses by name."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, cast

from .exceptions import UnimplementedError

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class Refusal(Protocol):
    """A function that refuses each call."""

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `UnimplementedError`."""

    async def aio(self, *args: Any, **kwargs: Any) -> NoReturn:
        """The same, awaited."""


def refused(call: str, instead: str) -> Refusal:
    """A function, or a method, that refuses each call.

    Args:
        call: its name, with its class: `"Sandbox.get_dashboard_url"`.
        instead: why, and what to do instead.
    """

    def refuse() -> NoReturn:
        raise UnimplementedError(f"{call}() is not implemented in pytest-sandbox: {instead}")

    def refusal(*args: Any, **kwargs: Any) -> NoReturn:
        refuse()

    async def aio(*args: Any, **kwargs: Any) -> NoReturn:
        refuse()

    for function in (refusal, aio):
        function.__doc__ = f"Refused: {instead}."
        function.__qualname__ = call
        function.__name__ = call.rpartition(".")[2]
    vars(refusal).update(aio=aio)
    return cast("Refusal", refusal)
