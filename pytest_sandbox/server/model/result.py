"""How a sandbox ended, in the words of the wire."""

import signal

from pytest_sandbox._proto import common_pb2
from pytest_sandbox.engine import EndCause, TaskEnd

from .lifetimes import TIMEOUT, Status

Result = common_pb2.GenericResult
TERMINATED = common_pb2.GenericResult.GENERIC_STATUS_TERMINATED

#: What a shell reports for a program that ran out of time, as timeout(1) does.
_TIMED_OUT = 124
_KILLED = 128 + signal.SIGKILL


def result_of(end: TaskEnd, reason: "Status | None") -> Result:
    """The result of a sandbox.

    Args:
        end: what the engine says.
        reason: why the server ended it, if it did.
    """
    if end.cause is EndCause.OUT_OF_MEMORY:
        return Result(
            status=Result.GENERIC_STATUS_KERNEL_OOM_KILL,
            exception=end.detail or "the sandbox ran out of memory",
            exitcode=_KILLED,
        )
    if end.cause is EndCause.LOST:
        return Result(
            status=Result.GENERIC_STATUS_INTERNAL_FAILURE,
            exception=end.detail or "what held the sandbox together died",
            exitcode=1,
        )
    if end.cause is EndCause.KILLED:
        status = reason or TERMINATED
        return Result(status=status, exitcode=_TIMED_OUT if status == TIMEOUT else _KILLED)
    code = end.status.returncode if end.status is not None else 0
    status = Result.GENERIC_STATUS_FAILURE if code else Result.GENERIC_STATUS_SUCCESS
    return Result(status=status, exitcode=code)
