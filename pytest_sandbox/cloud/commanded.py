"""Calls of the command router, made at Modal in the place of our client."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status
from grpclib.client import UnaryStreamMethod, UnaryUnaryMethod

from .methods import opened, router_methods
from .time_left import time_left

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from grpclib.client import Stream

    from pytest_sandbox.server import ServedCall

    from .commands import CommandHistory
    from .methods import Method
    from .routes import RouterAccess, Routes


class CommandedServicer:
    """The RPCs of the command router.

    Args:
        routes: where the routers are.
        history: takes note of the commands.
    """

    def __init__(self, routes: Routes, history: CommandHistory) -> None:
        self._routes = routes
        self._history = history

    def __getattr__(self, rpc: str) -> Callable[..., Any]:
        """The handler of an RPC."""
        method = router_methods().get(rpc)
        if method is None:
            raise AttributeError(rpc)
        if isinstance(method, UnaryUnaryMethod):
            return self._unary(method)
        if isinstance(method, UnaryStreamMethod):
            return self._answers(method)
        return self._requests(method)

    def _unary(self, method: Method) -> Callable[..., Any]:
        rpc = method.name.rpartition("/")[2]

        async def handle(request: Any, call: ServedCall) -> Any:
            access = await self._routes.access(call.task_id)
            try:
                response = await self._once(method, request, call, access)
            except GRPCError as error:
                if error.status is not Status.UNAUTHENTICATED:
                    self._history.failed(rpc, request, error)
                    raise
                access = await self._routes.access(call.task_id, refused=access)
                response = await self._once(method, request, call, access)
            self._history.answered(rpc, request, response)
            return response

        return handle

    async def _once(
        self, method: Method, request: Any, call: ServedCall, access: RouterAccess
    ) -> Any:
        async with self._opened(method, call, access) as stream:
            await stream.send_message(request, end=True)
            response = await stream.recv_message()
            if response is None:
                await stream.recv_trailing_metadata()
            return response

    def _answers(self, method: Method) -> Callable[..., Any]:
        async def handle(request: Any, call: ServedCall) -> AsyncGenerator[Any, None]:
            access = await self._routes.access(call.task_id)
            begun = False
            try:
                async for message in self._stream(method, request, call, access):
                    begun = True
                    yield message
                return
            except GRPCError as error:
                if begun or error.status is not Status.UNAUTHENTICATED:
                    raise
            access = await self._routes.access(call.task_id, refused=access)
            async for message in self._stream(method, request, call, access):
                yield message

        return handle

    async def _stream(
        self, method: Method, request: Any, call: ServedCall, access: RouterAccess
    ) -> AsyncGenerator[Any, None]:
        async with self._opened(method, call, access) as stream:
            await stream.send_message(request, end=True)
            while (message := await stream.recv_message()) is not None:
                self._history.output(request, message)
                yield message

    def _requests(self, method: Method) -> Callable[..., Any]:
        async def handle(requests: Any, call: ServedCall) -> Any:
            access = await self._routes.access(call.task_id)
            async with self._opened(method, call, access) as stream:
                return await _both_ways(requests, stream)

        return handle

    @contextlib.asynccontextmanager
    async def _opened(
        self, method: Method, call: ServedCall, access: RouterAccess
    ) -> AsyncIterator[Stream[Any, Any]]:
        """A call to make: within the time that its client gives it."""
        metadata = {"authorization": f"Bearer {access.token}", "x-throttle-retry-attempt": "0"}
        async with (
            self._routes.server(access).channel() as channel,
            opened(method, channel, metadata, time_left(call)) as stream,
        ):
            yield stream


async def _both_ways(requests: Any, stream: Stream[Any, Any]) -> Any:
    """Send what comes, and return the answer: it may come before all was sent."""

    async def send() -> None:
        while (message := await requests.recv_message()) is not None:
            await stream.send_message(message)
        await stream.end()

    await stream.send_request()
    sending = asyncio.ensure_future(send())
    receiving = asyncio.ensure_future(stream.recv_message())
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            await sending
        return await receiving
    finally:
        sending.cancel()
        receiving.cancel()
