"""The gRPC status and message of every exception that a handler can raise.

    GRPCError                    unchanged: a handler chose it
    EngineError                  by class, see `_ENGINE`
    OSError                      by errno, see `_ERRNO`
    DecodeError                  INVALID_ARGUMENT: the request is not the message it should be
    ImportError of our modules   FAILED_PRECONDITION: the package changed while the engine ran
    anything else                INTERNAL, and a traceback in the log: a bug of the server

Clients repeat calls that end with UNAVAILABLE, UNKNOWN or INTERNAL, so no mistake of a caller
may end with one of these.
"""

import errno
import logging

from google.protobuf.message import DecodeError
from grpclib import GRPCError, Status

from pytest_sandbox import engine

log = logging.getLogger(__name__)

#: Bytes that a message may have. It travels in a header, percent-encoded: clients drop the whole
#: connection when headers take more than they allow, 64 KiB for h2 and 16 KiB for gRPC's C core.
_LONGEST = 4096

_ENGINE: dict[type[engine.EngineError], Status] = {
    engine.EngineUnavailable: Status.UNAVAILABLE,
    engine.InvalidSpec: Status.INVALID_ARGUMENT,
    engine.NotFreezable: Status.FAILED_PRECONDITION,
    engine.OutputDropped: Status.OUT_OF_RANGE,
    engine.SpawnFailed: Status.INVALID_ARGUMENT,
    engine.StoreFull: Status.RESOURCE_EXHAUSTED,
    engine.TaskEnded: Status.NOT_FOUND,  # for which Modal's clients give up waiting
    engine.UnknownImage: Status.NOT_FOUND,
    engine.Unsupported: Status.UNIMPLEMENTED,
}

_ERRNO: dict[int, Status] = {
    errno.EPERM: Status.PERMISSION_DENIED,
    errno.ENOENT: Status.NOT_FOUND,
    errno.ENOMEM: Status.RESOURCE_EXHAUSTED,
    errno.EACCES: Status.PERMISSION_DENIED,
    errno.EBUSY: Status.FAILED_PRECONDITION,
    errno.EEXIST: Status.ALREADY_EXISTS,
    errno.ENOTDIR: Status.INVALID_ARGUMENT,
    errno.EISDIR: Status.INVALID_ARGUMENT,
    errno.EINVAL: Status.INVALID_ARGUMENT,
    errno.ENFILE: Status.RESOURCE_EXHAUSTED,
    errno.EMFILE: Status.RESOURCE_EXHAUSTED,
    errno.EFBIG: Status.RESOURCE_EXHAUSTED,
    errno.ENOSPC: Status.RESOURCE_EXHAUSTED,
    errno.EROFS: Status.PERMISSION_DENIED,
    errno.EPIPE: Status.FAILED_PRECONDITION,
    errno.ENAMETOOLONG: Status.INVALID_ARGUMENT,
    errno.ENOTEMPTY: Status.FAILED_PRECONDITION,
    errno.ELOOP: Status.INVALID_ARGUMENT,
    errno.EDQUOT: Status.RESOURCE_EXHAUSTED,
}


def failure(error: Exception, rpc: str) -> GRPCError:
    """The status that a call ends with when its handler raised `error`."""
    found = _status(error, rpc)
    message = _shortened(found.message)
    if message == found.message:
        return found  # which may be of a subclass
    return GRPCError(found.status, message, found.details)


def _shortened(message: str | None) -> str | None:
    """The message, without its middle if it quotes more than fits into a header."""
    if message is None:
        return None
    # Names of files can have bytes that are not UTF-8, which a header cannot.
    data = message.encode("utf-8", "backslashreplace")
    if len(data) <= _LONGEST:
        return data.decode()
    half = _LONGEST // 2
    begin, end = (part.decode("utf-8", "ignore") for part in (data[:half], data[-half:]))
    return f"{begin} [... {len(data) - 2 * half} bytes left out ...] {end}"


def _status(error: Exception, rpc: str) -> GRPCError:
    if isinstance(error, GRPCError):
        return error
    for kind, status in _ENGINE.items():
        if isinstance(error, kind):
            return GRPCError(status, str(error))
    if isinstance(error, OSError) and error.errno in _ERRNO:
        return GRPCError(_ERRNO[error.errno], str(error))
    if isinstance(error, DecodeError):
        return GRPCError(Status.INVALID_ARGUMENT, f"{rpc}: not a valid request: {error}")
    if isinstance(error, ImportError) and f"{error.name}.".startswith("pytest_sandbox."):
        return not_loaded(error, rpc)
    log.error("%s failed", rpc, exc_info=error)
    return GRPCError(Status.INTERNAL, f"{rpc} failed: {type(error).__name__}: {error}")


def not_loaded(error: Exception, rpc: str) -> GRPCError:
    """The status of a call whose part of the server could not be imported or made.

    Parts are imported when they are first needed. All of them can be, unless the files of the
    package are others by then; a repeated call would find the same ones.
    """
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return failure(error, rpc)  # such as too many open files
    log.error("%s: its module cannot be loaded", rpc, exc_info=error)
    message = (
        f"{rpc}: pytest_sandbox changed while the engine ran:"
        f" {type(error).__name__}: {error}; run the tests again"
    )
    return GRPCError(Status.FAILED_PRECONDITION, _shortened(message))


def invalid(message: str) -> GRPCError:
    """INVALID_ARGUMENT: the request is wrong, whatever state the server is in."""
    return GRPCError(Status.INVALID_ARGUMENT, message)


def not_found(kind: str, key: str, why: str = "") -> GRPCError:
    """NOT_FOUND: the object does not exist, or no longer; `why` says what became of it."""
    return GRPCError(Status.NOT_FOUND, f"{kind} {key!r} not found{why and ': '}{why}")


def already_exists(message: str) -> GRPCError:
    """ALREADY_EXISTS: a name is taken."""
    return GRPCError(Status.ALREADY_EXISTS, message)


def precondition(message: str) -> GRPCError:
    """FAILED_PRECONDITION: the request would be fine in another state of the object."""
    return GRPCError(Status.FAILED_PRECONDITION, message)


def unimplemented(message: str) -> GRPCError:
    """UNIMPLEMENTED: Modal has this feature, and this server does not."""
    return GRPCError(Status.UNIMPLEMENTED, message)
