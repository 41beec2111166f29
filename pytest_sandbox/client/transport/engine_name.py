"""Asks a server of ours what its engine is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox._proto.inspector_pb2 import InspectorEngineRequest

from ..exceptions import UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Of a server that does not say: one of Modal clients only, which has no inspector.
_UNKNOWN = "unknown"


async def ask_engine_name(control: Callable[..., Awaitable[Any]]) -> str:
    """The name of the engine.

    Args:
        control: makes a call of the control plane.

    Raises:
        ConnectionError: the server cannot be reached.
    """
    try:
        answer = await control(
            lambda link: InspectorStub(link.channel).Engine, InspectorEngineRequest()
        )
    except UnimplementedError:
        return _UNKNOWN
    return str(answer.name) or _UNKNOWN
