"""The sandbox that a call of the command router is about."""

from grpclib import GRPCError, Status

from ..rpc.call import ServedCall
from .sandbox import ServedSandbox
from .state import State


def commanded(state: State, task_id: str, call: ServedCall) -> ServedSandbox:
    """The sandbox that a call of the command router is about.

    Raises:
        GRPCError: PERMISSION_DENIED: the caller's token is for another task.
    """
    if task_id != call.task_id:
        raise GRPCError(
            Status.PERMISSION_DENIED, f"the token is for task {call.task_id!r}, not {task_id!r}"
        )
    return state.sandboxes.of_task(task_id)
