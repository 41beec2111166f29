"""The one place where gRPC statuses become exceptions.

The classes are those of Modal's newer clients; 1.2.3 lets most codes through as bare
`grpclib.GRPCError`, which stays within reach as `__context__`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from .. import exceptions as e
from .blocked_sockets import blocked_socket_error

if TYPE_CHECKING:
    from .server import Server

__tracebackhide__ = True  # a failing test shows the caller's line, not these

BY_STATUS: dict[Status, type[e.Error]] = {
    Status.CANCELLED: e.ServiceError,
    Status.UNKNOWN: e.ServiceError,
    Status.INVALID_ARGUMENT: e.InvalidError,
    Status.DEADLINE_EXCEEDED: e.ServiceError,
    Status.NOT_FOUND: e.NotFoundError,
    Status.ALREADY_EXISTS: e.AlreadyExistsError,
    Status.PERMISSION_DENIED: e.PermissionDeniedError,
    Status.RESOURCE_EXHAUSTED: e.ResourceExhaustedError,
    Status.FAILED_PRECONDITION: e.ConflictError,
    Status.ABORTED: e.ConflictError,
    Status.OUT_OF_RANGE: e.DataLossError,
    Status.UNIMPLEMENTED: e.UnimplementedError,
    Status.INTERNAL: e.InternalError,
    Status.UNAVAILABLE: e.ServiceError,
    Status.DATA_LOSS: e.DataLossError,
    Status.UNAUTHENTICATED: e.AuthError,
}


class translated:  # noqa: N801 - used like a function
    """Turns errors of a call of `rpc` into those of `exceptions`.

    A class and not a generator, and `from None`: so the traceback of a failing test shows
    neither gRPC nor `contextlib`.
    """

    def __init__(self, rpc: str, server: Server) -> None:
        self._rpc = rpc
        self._server = server

    def __enter__(self) -> None:
        """Nothing to do before the call."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        """Raise another error instead, if this is one of gRPC or of the connection."""
        if isinstance(error, GRPCError):
            message = error.message or f"{self._rpc} ended with {error.status.name} and no message"
            raise BY_STATUS[error.status](message) from None
        if isinstance(error, StreamTerminatedError):
            raise e.ServiceError(f"{self._rpc} was cut off: {error}") from None
        if isinstance(error, asyncio.TimeoutError):
            raise e.ServiceError(f"{self._rpc} got no answer in time") from None
        if error is not None and (blocked := blocked_socket_error(error)):
            raise blocked from None
        if isinstance(error, OSError):
            raise self._server.unreachable(error) from None
