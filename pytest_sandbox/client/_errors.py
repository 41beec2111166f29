"""The one place where gRPC statuses become exceptions.

The classes are those of Modal's newer clients; 1.2.3 lets most codes through as bare
`grpclib.GRPCError`, which stays within reach as `__cause__`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from . import exceptions as e

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._channels import Server

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


@contextlib.contextmanager
def translated(rpc: str, server: Server) -> Iterator[None]:
    """Raise what callers of the client are promised, for whatever a call of `rpc` raises."""
    try:
        yield
    except GRPCError as error:
        message = error.message or f"{rpc} ended with {error.status.name} and no message"
        raise BY_STATUS[error.status](message) from error
    except StreamTerminatedError as error:
        raise e.ServiceError(f"{rpc} was cut off: {error}") from error
    except asyncio.TimeoutError as error:
        raise e.ServiceError(f"{rpc} got no answer in time") from error
    except OSError as error:
        raise server.unreachable(error) from error
