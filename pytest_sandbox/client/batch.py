"""Calls about many sandboxes at once, each within a time limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.inspector_grpc import InspectorStub
from pytest_sandbox._proto.inspector_pb2 import (
    InspectorDescribeRequest,
    InspectorDescribeResponse,
    InspectorEndRequest,
    InspectorEndResponse,
)
from pytest_sandbox._proto.sandboxes_pb2 import SandboxListRequest, SandboxTerminateRequest

from .exceptions import NotFoundError
from .transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .transport.calls import Calls

#: Seconds that a sandbox has to answer, and to end.
_DESCRIBE_TIMEOUT = 5.0
_TERMINATE_TIMEOUT = 15.0

T = TypeVar("T")


class SandboxBatch:
    """Several sandboxes of a client. Each method blocks, and one sandbox never delays another.

    Args:
        calls: of the client.
        ids: of the sandboxes.
    """

    def __init__(self, calls: Calls, ids: Iterable[str]) -> None:
        self._calls = calls
        self._ids = list(ids)

    @classmethod
    def of_app(cls, calls: Calls, name: str) -> SandboxBatch:
        """The running sandboxes of an app; none if there is no such app.

        Raises:
            asyncio.TimeoutError: the engine does not answer.
        """
        running = portal().run(lambda: asyncio.wait_for(_running(calls, name), _DESCRIBE_TIMEOUT))
        return cls(calls, running)

    def describe(self, tail: int) -> dict[str, InspectorDescribeResponse | Exception]:
        """For each id what happened in the sandbox, or why that is unknown.

        Args:
            tail: how many bytes of the end of each output to include.
        """
        return self._each(lambda sandbox_id: self._describe(sandbox_id, tail), _DESCRIBE_TIMEOUT)

    def end(self) -> dict[str, InspectorEndResponse | Exception]:
        """End the sandboxes; for each id what ran in it then, or why it could not be ended."""
        return self._each(self._end, _TERMINATE_TIMEOUT)

    def terminate(self) -> dict[str, Exception]:
        """End the sandboxes; for each id that could not be ended, the reason."""
        outcomes = self._each(self._terminate, _TERMINATE_TIMEOUT)
        return {key: outcome for key, outcome in outcomes.items() if outcome is not None}

    async def _describe(self, sandbox_id: str, tail: int) -> InspectorDescribeResponse:
        request = InspectorDescribeRequest(sandbox_id=sandbox_id, tail_bytes=tail)
        return await self._calls.control(lambda link: InspectorStub(link.channel).Describe, request)

    async def _end(self, sandbox_id: str) -> InspectorEndResponse:
        request = InspectorEndRequest(sandbox_id=sandbox_id)
        return await self._calls.control(lambda link: InspectorStub(link.channel).End, request)

    async def _terminate(self, sandbox_id: str) -> None:
        request = SandboxTerminateRequest(sandbox_id=sandbox_id)
        await self._calls.control(lambda link: link.control.SandboxTerminate, request)

    def _each(
        self, call: Callable[[str], Awaitable[T]], timeout: float
    ) -> dict[str, T | Exception]:
        """The outcome of a call for each sandbox, all made at the same time."""

        async def one(sandbox_id: str) -> tuple[str, Any]:
            try:
                return sandbox_id, await asyncio.wait_for(call(sandbox_id), timeout)
            except asyncio.TimeoutError:
                return sandbox_id, TimeoutError(f"no answer within {timeout:g} s")
            except Exception as error:
                return sandbox_id, error

        async def together() -> list[tuple[str, Any]]:
            if len(self._ids) == 1:  # most tests have one
                return [await one(self._ids[0])]
            return await asyncio.gather(*map(one, self._ids))

        return dict(portal().run(together))


async def _running(calls: Calls, app_name: str) -> list[str]:
    """The ids of an app's running sandboxes, page by page, the newest first."""
    try:
        request = AppGetOrCreateRequest(app_name=app_name)
        app = await calls.control(lambda link: link.control.AppGetOrCreate, request)
    except NotFoundError:
        return []
    ids: list[str] = []
    before = 0.0
    while True:
        page = await calls.control(
            lambda link: link.control.SandboxList,
            SandboxListRequest(app_id=app.app_id, before_timestamp=before),
        )
        if not page.sandboxes:
            return ids
        ids += [each.id for each in page.sandboxes]
        before = page.sandboxes[-1].created_at
