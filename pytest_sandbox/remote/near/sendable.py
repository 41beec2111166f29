"""Specifications as messages, on the side that sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox.engine import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
M = TypeVar("M")


def sendable(to_wire: Callable[[T], M], thing: T) -> M:
    """The message that a specification is.

    Raises:
        InvalidSpec: it holds what no message can have, and no engine takes.
    """
    try:
        return to_wire(thing)
    except (TypeError, ValueError) as error:
        raise InvalidSpec(f"{thing} cannot be sent to another machine: {error}") from error
