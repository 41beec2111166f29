"""How a sandbox ended, as a message of the wire."""

import signal

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import EndCause, TaskEnd

from .lifetimes import IDLE_TIMEOUT, TIMEOUT, Status

Result = common_pb2.GenericResult
TERMINATED = common_pb2.GenericResult.GENERIC_STATUS_TERMINATED

#: The exit code of timeout(1) for a command that ran out of time.
_TIMED_OUT = 124
_KILLED = 128 + signal.SIGKILL


def result_of(end: TaskEnd, reason: "Status | None") -> Result:
    """The result of a sandbox.

    Args:
        end: how it ended, according to the engine.
        reason: why the server ended it; `None` if it did not.
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
            exception=end.detail or "the process that ran the sandbox died",
            exitcode=1,
        )
    if end.cause is EndCause.KILLED:
        status = reason or TERMINATED
        return Result(status=status, exitcode=_TIMED_OUT if status == TIMEOUT else _KILLED)
    code = end.status.returncode if end.status is not None else 0
    status = Result.GENERIC_STATUS_FAILURE if code else Result.GENERIC_STATUS_SUCCESS
    return Result(status=status, exitcode=code)


def why_ended(result: Result | None, reason: "Status | None", definition: pb.Sandbox) -> str:
    """Why a sandbox has ended, or is about to, for errors; empty if that is not known yet.

    Args:
        result: its result; `None` if it is about to end.
        reason: why the server ends it; `None` if it does not.
        definition: what the client asked for.
    """
    status = result.status if result is not None else reason
    if status == TIMEOUT:
        return f"it reached its timeout of {definition.timeout_secs} s"
    if status == IDLE_TIMEOUT:
        return f"it was idle for {definition.idle_timeout_secs} s, its idle_timeout"
    if status == TERMINATED:
        return "it was terminated"
    if result is None:
        return ""
    return result.exception or f"its main process exited with code {result.exitcode}"
