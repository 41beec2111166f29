"""What the plugin asks the server, about many sandboxes at once and never for long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeRequest, InspectorDescribeResponse
from pytest_sandbox._proto.sandboxes_pb2 import SandboxListRequest, SandboxTerminateRequest
from pytest_sandbox.client.exceptions import NotFoundError
from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pytest_sandbox.client import Client

#: Seconds for asking about sandboxes, and for ending them.
_DESCRIBE_TIMEOUT = 5.0
_END_TIMEOUT = 15.0

T = TypeVar("T")


def describe(
    client: Client, ids: Iterable[str], tail: int
) -> dict[str, InspectorDescribeResponse | Exception]:
    """What happened in sandboxes; or why that cannot be known.

    Args:
        client: whose sandboxes.
        ids: of which sandboxes.
        tail: bytes of the end of each output.
    """

    async def one(sandbox_id: str) -> InspectorDescribeResponse:
        request = InspectorDescribeRequest(sandbox_id=sandbox_id, tail_bytes=tail)
        return await client._calls.control(
            lambda link: InspectorStub(link.channel).Describe, request
        )

    return _for_each(one, ids, _DESCRIBE_TIMEOUT)


def end(client: Client, ids: Iterable[str]) -> dict[str, Exception]:
    """End sandboxes; which could not be ended, and why."""
    ended = _for_each(lambda each: _terminate(client, each), ids, _END_TIMEOUT)
    return {each: outcome for each, outcome in ended.items() if outcome is not None}


def end_app(client: Client, name: str) -> None:
    """End all sandboxes of an app."""
    ids = portal().run(asyncio.wait_for(_running(client, name), _DESCRIBE_TIMEOUT))
    end(client, ids)


async def _terminate(client: Client, sandbox_id: str) -> None:
    request = SandboxTerminateRequest(sandbox_id=sandbox_id)
    await client._calls.control(lambda link: link.control.SandboxTerminate, request)


async def _running(client: Client, name: str) -> list[str]:
    try:
        app = await client._calls.control(
            lambda link: link.control.AppGetOrCreate, AppGetOrCreateRequest(app_name=name)
        )
    except NotFoundError:
        return []
    ids: list[str] = []
    before = 0.0
    while True:
        page = await client._calls.control(
            lambda link: link.control.SandboxList,
            SandboxListRequest(app_id=app.app_id, before_timestamp=before),
        )
        if not page.sandboxes:
            return ids
        ids += [each.id for each in page.sandboxes]
        before = page.sandboxes[-1].created_at


def _for_each(
    call: Callable[[str], Awaitable[T]], ids: Iterable[str], timeout: float
) -> dict[str, T | Exception]:
    """The outcome of a call for each of several sandboxes, made at the same time."""

    async def one(sandbox_id: str) -> tuple[str, Any]:
        try:
            return sandbox_id, await asyncio.wait_for(call(sandbox_id), timeout)
        except asyncio.TimeoutError:
            return sandbox_id, TimeoutError(f"no answer within {timeout:g} s")
        except Exception as error:
            return sandbox_id, error

    async def all_of_them() -> list[tuple[str, Any]]:
        return await asyncio.gather(*map(one, ids))

    return dict(portal().run(all_of_them()))
