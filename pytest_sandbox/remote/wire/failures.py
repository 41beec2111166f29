"""What a call raises, as a message, and back."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    EngineError,
    EngineUnavailable,
    InvalidSpec,
    NotFreezable,
    SpawnFailed,
    StoreFull,
    TaskEnded,
    TaskLost,
    UnknownImage,
    Unsupported,
)

from .images import any_snapshot_from_wire, any_snapshot_to_wire
from .malformed import Malformed
from .texts import message_from_wire, message_to_wire, text_from_wire, text_to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_sandbox.engine import AnySnapshot

_MESSAGE_ALONE: dict[type[EngineError], pb.Failure.Kind] = {
    InvalidSpec: pb.Failure.INVALID_SPEC,
    UnknownImage: pb.Failure.UNKNOWN_IMAGE,
    NotFreezable: pb.Failure.NOT_FREEZABLE,
    TaskLost: pb.Failure.TASK_LOST,  # which is a `TaskEnded` too
    TaskEnded: pb.Failure.TASK_ENDED,
}
_BY_KIND = {kind: error for error, kind in _MESSAGE_ALONE.items()}
#: What Python makes of errors without a number.
_ERRNO_OF: tuple[tuple[type[OSError], int], ...] = (
    (BrokenPipeError, errno.EPIPE),
    (ConnectionRefusedError, errno.ECONNREFUSED),
    (ConnectionAbortedError, errno.ECONNABORTED),
    (ConnectionError, errno.ECONNRESET),
    (TimeoutError, errno.ETIMEDOUT),
    (OSError, errno.EIO),
)
#: What says more of the machine than of the call: no room, no memory, no descriptors.
_OF_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
)
_LARGEST_ERRNO = 4095  # of the kernel: MAX_ERRNO


class HasFailure(Protocol):
    """A message with a field `failure`."""

    @property
    def failure(self) -> pb.Failure:
        """What the call raised."""

    def HasField(self, field_name: str) -> bool:  # noqa: N802 - a name of protobuf
        """Whether a field is set."""


class FarError(EngineError):
    """The engine on another machine failed in a way that is no error of the contract: a bug."""


def failure_of(error: BaseException, pinned: Iterable[AnySnapshot] = ()) -> pb.Failure:
    """What a call raised, as a message.

    Args:
        error: what it raised.
        pinned: if that is `StoreFull`, snapshots that would free nothing now.
    """
    message = message_to_wire(str(error))
    for kind, number in _MESSAGE_ALONE.items():
        if isinstance(error, kind):
            return pb.Failure(kind=number, message=message)
    if isinstance(error, Malformed):
        return pb.Failure(kind=pb.Failure.INVALID_SPEC, message=message)
    if isinstance(error, EngineUnavailable):
        return pb.Failure(
            kind=pb.Failure.UNAVAILABLE,
            message=message_to_wire(error.reason),
            remedy=message_to_wire(error.remedy),
        )
    if isinstance(error, Unsupported):
        reason = str(error).removeprefix(f"{error.feature}: ")
        return pb.Failure(
            kind=pb.Failure.UNSUPPORTED,
            message=message_to_wire(reason),
            feature=message_to_wire(error.feature),
        )
    if isinstance(error, SpawnFailed):
        return pb.Failure(kind=pb.Failure.SPAWN_FAILED, message=message, errno=error.errno)
    if isinstance(error, StoreFull):
        return pb.Failure(
            kind=pb.Failure.STORE_FULL,
            message=message,
            forgetting_helps=error.forgetting_helps,
            pinned=map(any_snapshot_to_wire, pinned),
        )
    if isinstance(error, OSError):
        return _os_failure(error)
    text = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
    return pb.Failure(kind=pb.Failure.OTHER, message=message_to_wire(text))


def _os_failure(error: OSError) -> pb.Failure:
    number = error.errno or next(code for kind, code in _ERRNO_OF if isinstance(error, kind))
    failure = pb.Failure(
        kind=pb.Failure.OS_ERROR,
        errno=number,
        message=message_to_wire(error.strerror or str(error) or os.strerror(number)),
    )
    if isinstance(error.filename, str):
        failure.path = text_to_wire(error.filename)
    elif isinstance(error.filename, bytes):
        failure.path = error.filename
    return failure


def error_of(failure: pb.Failure, host: str = "") -> Exception:
    """The error that a message tells of.

    Args:
        failure: the message.
        host: the machine that it is of, which errors about its state name.
    """
    message = message_from_wire(failure.message)
    kind = failure.kind
    if kind in _BY_KIND:
        return _BY_KIND[kind](message)
    if kind == pb.Failure.UNAVAILABLE:
        return EngineUnavailable(on(host, message), message_from_wire(failure.remedy))
    if kind == pb.Failure.UNSUPPORTED:
        return Unsupported(message_from_wire(failure.feature), message)
    if kind == pb.Failure.SPAWN_FAILED:
        number = _checked_errno(failure.errno)
        return SpawnFailed(number, on(host, message) if number in _OF_MACHINE else message)
    if kind == pb.Failure.STORE_FULL:
        return StoreFull(on(host, message), forgetting_helps=failure.forgetting_helps)
    if kind == pb.Failure.OS_ERROR:
        number = _checked_errno(failure.errno)
        if host and number in _OF_MACHINE:
            message = f"{message} on {host}"
        if failure.HasField("path"):
            return OSError(number, message, text_from_wire(failure.path))
        return OSError(number, message)
    return FarError(f"the engine failed on {host or 'the other machine'}: {message}")


def on(host: str, message: str) -> str:
    """A sentence about a machine, with its name."""
    return f"on {host}: {message}" if host else message


def pinned_of(failure: pb.Failure) -> frozenset[AnySnapshot]:
    """The snapshots that would free nothing."""
    return frozenset(map(any_snapshot_from_wire, failure.pinned))


def _checked_errno(number: int) -> int:
    return number if 0 < number <= _LARGEST_ERRNO else errno.EIO
