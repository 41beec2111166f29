"""What a handler can say about itself, and the handlers of servicers by the names of their RPCs.

A handler carries the name of its RPC and is a plain coroutine (or, for a stream of responses,
an async generator) of a servicer class; there is one such class for each concern:

    async def AppList(self, request: AppListRequest, call: ServedCall) -> AppListResponse
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pytest_sandbox._shared.lazy_dataclass import dataclass

H = TypeVar("H", bound=Callable[..., Any])


def once(handler: H) -> H:
    """Mark a handler whose RPC creates something: it runs once for each idempotency key."""
    handler.__once__ = True  # type: ignore[attr-defined]
    return handler


def unrecorded(handler: H) -> H:
    """Mark a handler whose calls are neither recorded nor disturbed: they only affect speed."""
    handler.__unrecorded__ = True  # type: ignore[attr-defined]
    return handler


@dataclass(frozen=True)
class RpcHandler:
    """The handler of one RPC.

    Attributes:
        rpc: the name of the RPC.
        function: given the request, or the stream of requests, and the call.
        once: whether it runs once for each idempotency key.
        unrecorded: whether its calls are neither recorded nor disturbed.
    """

    rpc: str
    function: Callable[..., Any]
    once: bool
    unrecorded: bool


def handler_of(servicer: object, rpc: str) -> RpcHandler:
    """The handler of an RPC that a servicer has."""
    function = getattr(servicer, rpc)
    return RpcHandler(
        rpc,
        function,
        once=getattr(function, "__once__", False),
        unrecorded=getattr(function, "__unrecorded__", False),
    )
