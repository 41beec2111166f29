"""The RPCs of Modal's services, by name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._proto.router_grpc import TaskCommandRouterStub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grpclib.client import Channel, ServiceMethod, Stream

    Method = ServiceMethod[Any, Any]


@functools.cache
def control_methods() -> Mapping[str, Method]:
    """Those of the control plane."""
    return vars(ModalClientStub(_no_channel()))


@functools.cache
def router_methods() -> Mapping[str, Method]:
    """Those of the command router."""
    return vars(TaskCommandRouterStub(_no_channel()))


def _no_channel() -> Any:
    """Methods that know names and types only: each call has a connection of its own."""
    return None


def is_of_second(rpc: str) -> bool:
    """Whether a call of the control plane is one of the second version of the API."""
    return rpc.endswith("V2") or rpc in ("SandboxGetCommandRouterAccess", "SandboxSetName")


def opened(
    method: Method, channel: Channel, metadata: Mapping[str, Any], timeout: float | None
) -> Stream[Any, Any]:
    """A call to make over a channel; nothing is sent yet.

    Args:
        method: which.
        channel: to the server.
        metadata: of the call.
        timeout: seconds, which the server is told too.
    """
    made = type(method)(channel, method.name, method.request_type, method.reply_type)
    return made.open(timeout=timeout, metadata=metadata)
