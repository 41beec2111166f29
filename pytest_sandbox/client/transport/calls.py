"""Calls to the server: retries, idempotency, errors."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from grpclib.client import StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.utils import Wrapper

from pytest_sandbox._shared.clock import SystemClock
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE
from pytest_sandbox._shared.pickling import Unpicklable
from pytest_sandbox.rpcs import ServerWarning

from .channels import Channels, ServerLink
from .errors import translated
from .open_calls import OpenCalls
from .retries import CONTROL, Backoff, RetryBudget, retrying

if TYPE_CHECKING:
    from .call_stream import CallStream

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Req = TypeVar("Req")
Res = TypeVar("Res")

#: Identifies the callers in this process, so that several processes can share an engine.
CALLER_VARIABLE = "PYTEST_SANDBOX_CALLER"
#: Seconds that a call may take, unless it waits for an event on the server.
TIMEOUT = 60.0

Metadata = Mapping[str, "str | bytes"]
Unary = Callable[[ServerLink], UnaryUnaryMethod[Req, Res]]
Streaming = Callable[[ServerLink], UnaryStreamMethod[Req, Res]]
Talking = Callable[[ServerLink], StreamStreamMethod[Req, Res]]


class Calls(Unpicklable):
    """Makes the calls of one client. On the portal's loop only.

    All errors are classes of `exceptions`.
    """

    instead = "it is part of a client, which holds connections"

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self.clock = channels.server.clock
        self.hold = channels.server.hold
        self._real_time = isinstance(self.clock, SystemClock)
        self._server = channels.server
        #: Names of RPCs that the server was found not to have.
        self.missing: set[str] = set()
        #: Those by which commands are followed.
        self.followed = OpenCalls()
        #: Those by which main processes are.
        self.followed_mains = OpenCalls()
        caller = os.environ.get(CALLER_VARIABLE)
        #: Sent with every call.
        self._caller: Metadata = {"x-sandbox-caller": caller} if caller else {}

    async def in_cloud(self) -> bool:
        """Whether it is Modal that does the work, and so has none of our own calls.

        The server is asked once, unless it is known what it is.
        """
        if not self._server.engine:
            from .engine_name import ask_engine_name  # late: who starts an engine knows it

            self._server.engine = await ask_engine_name(self.control)
        return self._server.engine == CLOUD_ENGINE

    async def control(
        self, method: Unary[Req, Res], request: Req, *, timeout: float | None = TIMEOUT
    ) -> Res:
        """A call of the control plane, repeated under one idempotency key."""
        return (await self.control_with_metadata(method, request, timeout=timeout))[0]

    async def control_with_metadata(
        self,
        method: Unary[Req, Res],
        request: Req,
        *,
        timeout: float | None = TIMEOUT,
        key: str = "",
        more: Metadata | None = None,
    ) -> tuple[Res, Metadata]:
        """The same, with the initial metadata of the answer.

        Args:
            method: which call.
            request: its message.
            timeout: seconds for each attempt.
            key: of an earlier attempt.
            more: metadata to send with the request.
        """
        key = key or new_key()

        async def attempt(number: int) -> tuple[Res, Metadata]:
            metadata = {**attempt_metadata(key, number), **(more or {})}
            return await self._once(method, request, metadata, timeout)

        with translated(_rpc(request), self._channels.server):
            return await retrying(attempt, CONTROL, self.clock)

    async def router(
        self,
        method: Unary[Req, Res],
        request: Req,
        metadata: Metadata,
        backoff: Backoff,
        *,
        timeout: float | None = TIMEOUT,
    ) -> Res:
        """A call of the command router."""

        async def attempt(_: int) -> Res:
            return (await self._once(method, request, metadata, timeout))[0]

        with translated(_rpc(request), self._channels.server):
            return await retrying(attempt, backoff, self.clock)

    async def whole_stream(
        self, method: Streaming[Req, Res], request: Req, backoff: Backoff
    ) -> list[Res]:
        """All messages of a stream that cannot be continued where it broke off.

        It is opened again from its beginning, so messages of an attempt that failed do not count.
        """

        async def attempt(_: int) -> list[Res]:
            return [message async for message in self._messages(method, request, {})]

        with translated(_rpc(request), self._channels.server):
            return await retrying(attempt, backoff, self.clock)

    async def stream(
        self,
        method: Streaming[Req, Res],
        request: Callable[[], Req],
        metadata: Metadata,
        backoff: Backoff,
    ) -> AsyncGenerator[Res, None]:
        """The messages of a stream, which is opened again where it broke off.

        Args:
            method: which stream.
            request: makes the request that continues after the last message.
            metadata: of the call.
            backoff: how often it is opened again without a message in between.
        """
        budget = RetryBudget(backoff)
        while True:
            try:
                with translated(_rpc(request()), self._channels.server):
                    async for message in self._messages(method, request(), metadata):
                        budget.renew()
                        yield message
                return
            except Exception as error:
                delay = budget.wait(error)
                if delay is None:
                    raise
            await self.clock.sleep(delay)

    async def converse(
        self,
        method: Talking[Req, Res],
        metadata: Metadata,
        rpc: str,
        talk: Callable[[CallStream[Req, Res]], Awaitable[None]],
    ) -> None:
        """A stream in both directions, which nothing continues where it breaks off.

        Args:
            method: which stream.
            metadata: of the call.
            rpc: its name, for errors.
            talk: sends and receives by it.
        """
        self._channels.wait()
        with translated(rpc, self._channels.server), self._channels.link() as link:
            async with method(link).open(metadata={**metadata, **self._caller}) as stream:
                await talk(cast("CallStream[Req, Res]", stream))

    def wait(self) -> None:
        """Say that the call under way waits for the server."""
        self._channels.wait()

    async def _once(
        self, method: Unary[Req, Res], request: Req, metadata: Metadata, timeout: float | None
    ) -> tuple[Res, Metadata]:
        if timeout is None or self._real_time:
            return await self._call(method, request, metadata, timeout)
        # What grpclib does with a timeout, on another clock.
        deadline = Wrapper()
        forget = self.clock.later(timeout, lambda: deadline.cancel(asyncio.TimeoutError()))
        try:
            with deadline:
                return await self._call(method, request, metadata, None)
        finally:
            forget()

    async def _call(
        self, method: Unary[Req, Res], request: Req, metadata: Metadata, timeout: float | None
    ) -> tuple[Res, Metadata]:
        self._channels.wait()
        with self._channels.link() as link:
            metadata = {**metadata, **self._caller}
            async with method(link).open(timeout=timeout, metadata=metadata) as stream:
                await stream.send_message(request, end=True)
                response = await stream.recv_message()
            assert response is not None
            answered: Metadata = stream.initial_metadata or {}
            if ServerWarning.METADATA in answered:
                from .server_warnings import warn  # late: few servers ever warn

                warn(str(answered[ServerWarning.METADATA]))
            return response, answered

    async def _messages(
        self, method: Streaming[Req, Res], request: Req, metadata: Metadata
    ) -> AsyncGenerator[Res, None]:
        self._channels.wait()
        with self._channels.link() as link:
            metadata = {**metadata, **self._caller}
            async with method(link).open(metadata=metadata) as stream:
                await stream.send_message(request, end=True)
                while (message := await stream.recv_message()) is not None:
                    yield message
                    self._channels.wait()  # another call may read on


def new_key() -> str:
    """An idempotency key."""
    return str(uuid.uuid4())


def attempt_metadata(key: str, number: int) -> Metadata:
    """Metadata of an attempt to make a call of the control plane.

    Args:
        key: of all attempts.
        number: of this one, counted from 0.
    """
    return {"x-idempotency-key": key, "x-retry-attempt": str(number)}


def _rpc(request: object) -> str:
    """The name of a call, `SandboxCreate`, which requests carry."""
    return type(request).__name__.removesuffix("Request")
