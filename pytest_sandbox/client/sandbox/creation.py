"""The calls that create a sandbox, by either version of the API, in one round trip.

Besides the id of the sandbox, the answers have that of its task and a token for commands.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._proto.extensions_pb2 import (
    SandboxCreateInNetworkRequest,
    SandboxFollowRequest,
    SandboxRestoreInNetworkRequest,
)
from pytest_sandbox._proto.sandboxes_pb2 import SandboxCreateRequest
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxCreateV2Request, SandboxRestoreV2Request
from pytest_sandbox._proto.snapshots_pb2 import SandboxRestoreRequest

from ..memory_snapshot import restoring
from ..process.main_following import MOST_CREATED, RPC, FollowedMain, MainFollowing
from ..process.task_calls import TaskCalls
from ..transport.calls import attempt_metadata, new_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from pytest_sandbox._proto.extensions_pb2 import SandboxMembership
    from pytest_sandbox._proto.sandboxes_pb2 import SandboxCreateResponse
    from pytest_sandbox._proto.sandboxes_v2_pb2 import (
        SandboxCreateV2Response,
        SandboxRestoreV2Response,
    )
    from pytest_sandbox._proto.secrets_pb2 import SecretSource
    from pytest_sandbox._proto.snapshots_pb2 import SandboxRestoreResponse

    from ..base_client import BaseClient
    from ..memory_snapshot import SandboxSnapshot
    from ..transport.calls import Metadata
    from .specification import Specification

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class _NewSandbox(Protocol):
    @property
    def sandbox_id(self) -> str: ...


#: A new sandbox, and the call that tells of its main process, if there is one.
Created = tuple[TaskCalls, FollowedMain | None]


_more = contextvars.ContextVar["Metadata | None"]("metadata of creations", default=None)


@contextlib.contextmanager
def another_follows() -> Iterator[None]:
    """In the `with`, creations say that another such sandbox is likely to be created soon."""
    token = _more.set({"x-sandbox-another": "1"})
    try:
        yield
    finally:
        _more.reset(token)


async def created(spec: Specification) -> Created:
    """Create a sandbox; it runs when this returns."""
    if spec.secret_sources is not None:
        return await _created_by_second(spec, spec.secret_sources), None
    made = await _created_by_first(spec)
    if spec.definition.resources.HasField("gpu_config"):
        spec.client.with_gpus.add(made[0].sandbox_id)
    return made


async def _created_by_first(spec: Specification) -> Created:
    calls = spec.client.calls
    request = SandboxCreateRequest(app_id=spec.app_id, definition=spec.definition, tags=spec.tags)
    if spec.membership is not None:
        response, metadata = await calls.control_with_metadata(
            lambda link: link.extensions.SandboxCreateInNetwork,
            SandboxCreateInNetworkRequest(create=request, membership=spec.membership),
            more=_more.get(),
        )
        return _known(spec.client, response.sandbox_id, metadata), None

    async def alone(key: str) -> tuple[SandboxCreateResponse, Metadata]:
        return await calls.control_with_metadata(
            lambda link: link.control.SandboxCreate, request, key=key, more=_more.get()
        )

    if not spec.definition.entrypoint_args:  # its main process writes nothing
        response, metadata = await alone("")
        return _known(spec.client, response.sandbox_id, metadata), None
    return await _followed(spec.client, SandboxFollowRequest(create=request), alone)


async def _followed(
    client: BaseClient,
    request: SandboxFollowRequest,
    alone: Callable[[str], Awaitable[tuple[_NewSandbox, Metadata]]],
) -> Created:
    """Create a sandbox by the call that follows its main process too, where that is possible.

    Args:
        client: where.
        request: of that call.
        alone: makes the call that only creates, under an idempotency key.
    """
    calls, key = client.calls, new_key()
    following = None
    has_it = not (await calls.in_cloud() or RPC in calls.missing)
    if has_it and len(calls.followed_mains) < MOST_CREATED:
        following = MainFollowing(calls, attempt_metadata(key, 0), request)
    if following is not None and (told := await following.created()) is not None:
        made = told.created if told.HasField("created") else told.restored
        task = TaskCalls(calls, made.sandbox_id)
        task.know(told.task_id, told.router_jwt)
        return task, FollowedMain(following)
    response, metadata = await alone(key)
    if following is not None and following.refused:
        calls.missing.add(RPC)
    return _known(client, response.sandbox_id, metadata), None


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
) -> Created:
    """Create a sandbox that continues from a snapshot; it runs when this returns."""
    if snapshot.second and member is None:
        second = restoring(SandboxRestoreV2Request(), snapshot, name)
        answer = await client.calls.control(lambda link: link.control.SandboxRestoreV2, second)
        return _known_by_second(client, answer), None
    request = restoring(SandboxRestoreRequest(), snapshot, name)
    if member is not None:
        response, metadata = await client.calls.control_with_metadata(
            lambda link: link.extensions.SandboxRestoreInNetwork,
            SandboxRestoreInNetworkRequest(restore=request, membership=member),
        )
        return _known(client, response.sandbox_id, metadata), None

    async def alone(key: str) -> tuple[SandboxRestoreResponse, Metadata]:
        return await client.calls.control_with_metadata(
            lambda link: link.control.SandboxRestore, request, key=key
        )

    return await _followed(client, SandboxFollowRequest(restore=request), alone)


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
