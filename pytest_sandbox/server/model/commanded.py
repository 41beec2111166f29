"""The sandbox or sidecar that a call of the command router is about."""

from typing import Protocol

from grpclib import GRPCError, Status

from ..rpc.call import ServedCall
from .sandbox import ServedSandbox
from .state import State


class OfContainer(Protocol):
    """A request about a container."""

    @property
    def task_id(self) -> str:
        """Of the sandbox."""

    @property
    def container_id(self) -> str:
        """Of the sidecar; empty for the sandbox itself."""


def commanded_container(state: State, request: OfContainer, call: ServedCall) -> ServedSandbox:
    """The sandbox or the sidecar that a call of the command router is about.

    Raises:
        GRPCError: NOT_FOUND, or as `commanded`.
    """
    return commanded(state, request.task_id, call).container(request.container_id)


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
