"""Calls of the command router, which knows a running sandbox as a task and asks for a token."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._proto.containers_pb2 import TaskGetCommandRouterAccessRequest
from pytest_sandbox._proto.sandboxes_pb2 import SandboxGetTaskIdRequest
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxGetCommandRouterAccessRequest

from ..exceptions import AuthError, ConflictError
from ..transport.calls import TIMEOUT, Metadata, Streaming, Unary
from ..transport.retries import ROUTER, Backoff
from .api_version import is_second
from .following import MOST, MOST_INPUT, RPC, Following

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pytest_sandbox._proto.router_pb2 import TaskExecStartRequest

    from ..transport.calls import Calls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Req = TypeVar("Req")
Res = TypeVar("Res")

#: Seconds before its expiry from which on a token is no longer used.
_MARGIN = 30.0
#: Seconds between attempts to get the task of a sandbox that has none yet.
_POLL = 0.5


class TaskCalls:
    """Makes calls about the task of one sandbox.

    Args:
        calls: makes the calls.
        sandbox_id: whose task.
        container_id: of the sidecar that calls are about; empty for the sandbox itself.

    Attributes:
        calls: makes the calls.
        sandbox_id: whose task it is.
        container_id: of the sidecar that calls are about; empty for the sandbox itself.
    """

    def __init__(self, calls: Calls, sandbox_id: str, container_id: str = "") -> None:
        self.calls = calls
        self.container_id = container_id
        self._second = is_second(sandbox_id)
        self.clock = calls.clock
        self.sandbox_id = sandbox_id
        self._id = ""
        self._token = ""
        self._expiry: float | None = 0.0  # `None` before the token was read
        self._routed: bool | None = None
        self._asking = asyncio.Lock()

    def learn(self, metadata: Metadata) -> None:
        """Use the metadata of the answer to `SandboxCreate`, which saves two calls."""
        task_id = str(metadata.get("x-sandbox-task-id", ""))
        self.know(task_id, str(metadata.get("x-sandbox-router-jwt", "")))

    def know(self, task_id: str, token: str) -> None:
        """Use the id of the task, and a token for it; empty for what is not known."""
        self._id = task_id
        if token:
            self._accept(token)

    def of_sidecar(self, container_id: str) -> TaskCalls:
        """The same for calls about a sidecar; it uses the token that is known here."""
        task = TaskCalls(self.calls, self.sandbox_id, container_id)
        task.know(self._id, self._token)
        return task

    async def id(self) -> str:
        """The id of the task.

        Raises:
            ConflictError: the sandbox ended before it had one.
        """
        while not self._id:
            request = SandboxGetTaskIdRequest(sandbox_id=self.sandbox_id)
            response = await self.calls.control(
                lambda link: (
                    link.control.SandboxGetTaskIdV2
                    if self._second
                    else link.control.SandboxGetTaskId
                ),
                request,
            )
            self._id = response.task_id
            if not self._id:
                if response.task_result.status:
                    raise ConflictError(
                        f"sandbox {self.sandbox_id} has ended: {response.task_result.exception}"
                    )
                await self.clock.sleep(_POLL)
        return self._id

    async def routed(self) -> bool:
        """Whether commands go through the command router, or through the control plane."""
        await self._ask(lambda: self._routed is None)
        return bool(self._routed)

    async def call(
        self,
        method: Unary[Req, Res],
        request: Req,
        *,
        backoff: Backoff = ROUTER,
        timeout: float | None = TIMEOUT,
    ) -> Res:
        """A call of the command router, with the token of this task."""
        try:
            metadata = await self._bearer()
            return await self.calls.router(method, request, metadata, backoff, timeout=timeout)
        except AuthError:
            metadata = await self._bearer(renew=metadata)
            return await self.calls.router(method, request, metadata, backoff, timeout=timeout)

    async def follow(self, command: TaskExecStartRequest, given: bytes | None) -> Following | None:
        """Start a command by the call that follows it; `None` if that is not to be.

        Args:
            command: to start.
            given: all of its input, for all of its output; `None` to get what is asked for.
        """
        calls = self.calls
        if await calls.in_cloud():
            calls.missing.add(RPC)
        if RPC in calls.missing or len(given or b"") > MOST_INPUT:
            return None
        metadata = await self._bearer()
        if given is None and len(calls.followed) >= MOST:
            return None
        return Following(calls, metadata, command, given)

    async def stream(
        self, method: Streaming[Req, Res], request: Callable[[], Req]
    ) -> AsyncGenerator[Res, None]:
        """A stream of the command router, continued where it breaks off."""
        metadata = await self._bearer()
        try:
            async for message in self.calls.stream(method, request, metadata, ROUTER):
                yield message
            return
        except AuthError:
            metadata = await self._bearer(renew=metadata)
        async for message in self.calls.stream(method, request, metadata, ROUTER):
            yield message

    async def _bearer(self, renew: Metadata | None = None) -> Metadata:
        """The metadata that the router asks for; not `renew`, which it refused."""
        await self._ask(lambda: self._bearing() == renew or self._expired())
        return self._bearing()

    def _expired(self) -> bool:
        if self._expiry is None:
            self._expiry = _expiry(self._token)
        return self.clock.now() > self._expiry - _MARGIN

    def _bearing(self) -> Metadata:
        return {"authorization": f"Bearer {self._token}"}

    async def _ask(self, needed: Callable[[], bool]) -> None:
        """Ask for a token, unless another call did meanwhile."""
        if needed():
            async with self._asking:
                if needed():
                    await self._renew()

    async def _renew(self) -> None:
        if self._second:
            await self._renew_second()
        else:
            await self._renew_first()

    async def _renew_second(self) -> None:
        await self.id()  # which it has once it has started, as the router has to be ready
        request = SandboxGetCommandRouterAccessRequest(sandbox_id=self.sandbox_id)
        access = await self.calls.control(
            lambda link: link.control.SandboxGetCommandRouterAccess, request
        )
        self._accept(access.jwt)

    async def _renew_first(self) -> None:
        request = TaskGetCommandRouterAccessRequest(task_id=await self.id())
        try:
            access = await self.calls.control(
                lambda link: link.control.TaskGetCommandRouterAccess, request
            )
        except ConflictError:
            self._routed = False
        else:
            self._accept(access.jwt)

    def _accept(self, token: str) -> None:
        self._token = token
        self._expiry = None
        self._routed = True


def _expiry(token: str) -> float:
    """When a token expires (`exp` of RFC 7519, not verified); infinity if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return float("inf")
