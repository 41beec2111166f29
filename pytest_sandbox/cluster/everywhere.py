"""Calls that are made on several nodes, of which some may be gone before they answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from .placer import Node

T = TypeVar("T")


async def everywhere(
    nodes: Collection[Node], live: Collection[Node], call: Callable[[Node], Awaitable[T]]
) -> list[T]:
    """What a call gives on each of several nodes, on all at the same time.

    On a node that is gone there is nothing left to do, so it is no error, and gives nothing.

    Args:
        nodes: where to make it.
        live: the nodes of the cluster, now and later.
        call: makes it on a node.

    Raises:
        Exception: what it raises on a node that is still there; it was made on all others.
    """
    asked = list(nodes)
    answers = await asyncio.gather(*map(call, asked), return_exceptions=True)
    given: list[T] = []
    for node, answer in zip(asked, answers, strict=True):
        if isinstance(answer, BaseException):
            if node in live or not isinstance(answer, EngineUnavailable):
                raise answer
        else:
            given.append(answer)
    return given
