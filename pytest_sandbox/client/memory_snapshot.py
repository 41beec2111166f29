"""Snapshots of a sandbox with its running programs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._proto import snapshots_pb2 as pb
from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.extensions_pb2 import SnapshotForgetRequest
from pytest_sandbox._proto.router_pb2 import TaskSnapshotMemoryRequest
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxRestoreV2Request

from .default_client import default_client
from .exceptions import ExecutionError, InvalidError
from .handles import address, client_at
from .refusals import refused
from .transport.calls import TIMEOUT
from .transport.dual import dual, dual_function

if TYPE_CHECKING:
    from .base_client import BaseClient
    from .process.task_calls import TaskCalls
    from .transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: In place of a name: the name of the original sandbox. No name has this shape.
KEEP_NAME = "<that of the snapshot>"

#: Seconds that a snapshot may take by the router, as with Modal's clients.
_MEMORY_TIMEOUT = 300.0

_Override = pb.SandboxRestoreRequest


class SandboxSnapshot:
    """A snapshot of a sandbox with its running programs, for any number of new sandboxes.

    Get one with `Sandbox._experimental_snapshot()`, or find one with `from_id`.
    """

    def __init__(self, snapshot_id: str, client: BaseClient, *, second: bool = False) -> None:
        self._id = snapshot_id
        self._client = client
        #: Whether it is of a sandbox of the second version of the API.
        self.second = second

    def __repr__(self) -> str:
        return f"SandboxSnapshot({self._id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._id, address(self._client, self), self.second)

    @staticmethod
    @dual_function
    async def from_id(
        sandbox_snapshot_id: str, client: BaseClient | None = None
    ) -> SandboxSnapshot:
        """The snapshot with an id.

        Args:
            sandbox_snapshot_id: its `object_id`.
            client: where it is; the default client's if not given.

        Raises:
            InvalidError: it is not the id of a snapshot.
            NotFoundError: there is none.
        """
        if not isinstance(sandbox_snapshot_id, str) or not sandbox_snapshot_id.startswith("sn-"):
            raise InvalidError(
                f"{sandbox_snapshot_id!r} is not the id of a snapshot: these begin with 'sn-'"
            )
        client = client or await default_client()
        request = pb.SandboxSnapshotGetRequest(snapshot_id=sandbox_snapshot_id)
        found = await client.calls.control(lambda link: link.control.SandboxSnapshotGet, request)
        second = found.handle_metadata.is_v2
        return SandboxSnapshot(sandbox_snapshot_id, client, second=second)

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> SandboxSnapshot:
        """Return the snapshot itself, as Modal's do; `from_id` has looked it up.

        Args:
            client: has no effect: a snapshot has a client.
        """
        return self

    get_dashboard_url = refused("SandboxSnapshot.get_dashboard_url", "there is no dashboard")

    @property
    def object_id(self) -> str:
        """Its id, by which `from_id` finds it."""
        return self._id

    @property
    def client(self) -> BaseClient:
        """The client of the server that has it."""
        return self._client


def _unpickled(snapshot_id: str, where: str, second: bool) -> SandboxSnapshot:
    return SandboxSnapshot(snapshot_id, client_at(where), second=second)


async def taken(client: BaseClient, sandbox_id: str) -> SandboxSnapshot:
    """Take a snapshot of a sandbox, and wait until it is complete.

    Raises:
        ExecutionError: it failed, or takes too long.
    """
    started = await client.calls.control(
        lambda link: link.control.SandboxSnapshot, pb.SandboxSnapshotRequest(sandbox_id=sandbox_id)
    )
    request = pb.SandboxSnapshotWaitRequest(snapshot_id=started.snapshot_id, timeout=55.0)
    response = await client.calls.control(
        lambda link: link.control.SandboxSnapshotWait, request, timeout=request.timeout + TIMEOUT
    )
    if response.result.status != GenericResult.GENERIC_STATUS_SUCCESS:
        raise ExecutionError(
            response.result.exception
            or f"a snapshot of {sandbox_id} takes longer than {request.timeout:g} seconds"
        )
    return SandboxSnapshot(started.snapshot_id, client)


async def taken_by_router(client: BaseClient, task: TaskCalls) -> SandboxSnapshot:
    """The same, of a sandbox of the second version of the API."""
    request = TaskSnapshotMemoryRequest(task_id=await task.id(), idempotency_key=str(uuid.uuid4()))
    response = await task.call(
        lambda link: link.router.TaskSnapshotMemory, request, timeout=_MEMORY_TIMEOUT
    )
    return SandboxSnapshot(response.snapshot_id, client, second=True)


async def forget_snapshot(snapshot: SandboxSnapshot, calls: Calls) -> None:
    """Delete a snapshot of files and programs; it need not exist any more."""
    request = SnapshotForgetRequest(snapshot_id=snapshot.object_id)
    await calls.control(lambda link: link.extensions.SnapshotForget, request)


R = TypeVar("R", pb.SandboxRestoreRequest, SandboxRestoreV2Request)


def restoring(request: R, snapshot: SandboxSnapshot, name: str | None) -> R:
    """Fill the request for a new sandbox that continues from a snapshot."""
    request.snapshot_id = snapshot.object_id
    if name is None:
        request.sandbox_name_override_type = _Override.SANDBOX_NAME_OVERRIDE_TYPE_NONE
    elif name != KEEP_NAME:
        request.sandbox_name_override_type = _Override.SANDBOX_NAME_OVERRIDE_TYPE_STRING
        request.sandbox_name_override = name
    return request
