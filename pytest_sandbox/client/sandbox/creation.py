"""The calls that create a sandbox, by either version of the API, in one round trip.

Besides the id of the sandbox, the answers have that of its task and a token for commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.extensions_pb2 import (
    SandboxCreateInNetworkRequest,
    SandboxRestoreInNetworkRequest,
)
from pytest_sandbox._proto.sandboxes_pb2 import SandboxCreateRequest
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxCreateV2Request, SandboxRestoreV2Request
from pytest_sandbox._proto.snapshots_pb2 import SandboxRestoreRequest

from ..memory_snapshot import restoring
from ..process.task_calls import TaskCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox._proto.extensions_pb2 import SandboxMembership
    from pytest_sandbox._proto.sandboxes_v2_pb2 import (
        SandboxCreateV2Response,
        SandboxRestoreV2Response,
    )
    from pytest_sandbox._proto.secrets_pb2 import SecretSource

    from ..base_client import BaseClient
    from ..memory_snapshot import SandboxSnapshot
    from ..transport.calls import Metadata
    from .specification import Specification

__tracebackhide__ = True  # a failing test shows the caller's line, not these


async def created(spec: Specification) -> TaskCalls:
    """Create a sandbox; it runs when this returns."""
    if spec.secret_sources is not None:
        return await _created_by_second(spec, spec.secret_sources)
    calls = spec.client.calls
    request = SandboxCreateRequest(app_id=spec.app_id, definition=spec.definition, tags=spec.tags)
    if spec.membership is None:
        response, metadata = await calls.control_with_metadata(
            lambda link: link.control.SandboxCreate, request
        )
    else:
        response, metadata = await calls.control_with_metadata(
            lambda link: link.extensions.SandboxCreateInNetwork,
            SandboxCreateInNetworkRequest(create=request, membership=spec.membership),
        )
    if spec.definition.resources.HasField("gpu_config"):
        spec.client.with_gpus.add(response.sandbox_id)
    return _known(spec.client, response.sandbox_id, metadata)


async def _created_by_second(spec: Specification, secrets: Sequence[SecretSource]) -> TaskCalls:
    request = SandboxCreateV2Request(
        app_id=spec.app_id, definition=spec.definition, tags=spec.tags, secret_sources=secrets
    )
    response = await spec.client.calls.control(lambda link: link.control.SandboxCreateV2, request)
    return _known_by_second(spec.client, response)


async def restored(
    client: BaseClient,
    snapshot: SandboxSnapshot,
    name: str | None,
    member: SandboxMembership | None,
) -> TaskCalls:
    """Create a sandbox that continues from a snapshot; it runs when this returns."""
    if snapshot.second and member is None:
        second = restoring(SandboxRestoreV2Request(), snapshot, name)
        answer = await client.calls.control(lambda link: link.control.SandboxRestoreV2, second)
        return _known_by_second(client, answer)
    request = restoring(SandboxRestoreRequest(), snapshot, name)
    if member is None:
        response, metadata = await client.calls.control_with_metadata(
            lambda link: link.control.SandboxRestore, request
        )
    else:
        response, metadata = await client.calls.control_with_metadata(
            lambda link: link.extensions.SandboxRestoreInNetwork,
            SandboxRestoreInNetworkRequest(restore=request, membership=member),
        )
    return _known(client, response.sandbox_id, metadata)


def _known(client: BaseClient, sandbox_id: str, metadata: Metadata) -> TaskCalls:
    task = TaskCalls(client.calls, sandbox_id)
    task.learn(metadata)
    return task


def _known_by_second(
    client: BaseClient, response: SandboxCreateV2Response | SandboxRestoreV2Response
) -> TaskCalls:
    task = TaskCalls(client.calls, response.sandbox_id)
    task.know(response.task_id, response.command_router_access.jwt)
    return task
