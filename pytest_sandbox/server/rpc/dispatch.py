"""The one way from a request on the wire to a handler, and back.

Every call goes through these steps, in this order:

1. The caller is let in, or not.
2. The request passes the middleware, which records and disturbs calls.
3. The handler runs; once for each idempotency key if it is marked so.
4. What it raised becomes a status.
5. The response passes the middleware on its way back.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from grpclib.const import Cardinality

from .auth import ListenerConfig
from .call import AnyStream, Serve, ServedCall, room_and_write
from .connection import let_in
from .disruption import ResponseLost
from .errors import failure, invalid, unimplemented
from .handlers import RpcHandler
from .idempotency import Outcomes, remembering
from .middleware import CallMiddleware, Middleware
from .refusals import refusal


class Dispatch:
    """Serves the calls of one service at one listener.

    Args:
        listener: where the calls come in.
        enter: lets the caller in, or raises.
        outcomes: of calls with an idempotency key.
        middleware: records and disturbs calls; `None` to do neither.
    """

    def __init__(
        self,
        listener: ListenerConfig,
        enter: Callable[[ServedCall], None],
        outcomes: Outcomes[Any],
        middleware: Middleware | None,
    ) -> None:
        self._listener = listener
        self._enter = enter
        self._outcomes = outcomes
        self._begin = middleware.begin if middleware is not None else _unrecorded

    def serve(self, handler: RpcHandler, cardinality: Cardinality) -> Serve:
        """The function that grpclib calls for one RPC."""
        kinds = {
            Cardinality.UNARY_UNARY: self._unary,
            Cardinality.UNARY_STREAM: self._server_stream,
            Cardinality.STREAM_UNARY: self._client_stream,
            Cardinality.STREAM_STREAM: self._both_streams,
        }
        return _resetting(kinds[cardinality](handler))

    def refuse(self, path: str) -> Serve:
        """The answer to a call of an RPC that is not implemented, by name."""
        service, _, rpc = path.lstrip("/").rpartition("/")

        async def refuse(stream: AnyStream) -> None:
            with self._begin(self._call(rpc, stream)):
                raise failure(unimplemented(refusal(service, rpc)), rpc)

        return refuse

    def _let_in(self, stream: AnyStream, call: ServedCall) -> None:
        self._enter(call)
        let_in(stream.peer)

    def _call(self, rpc: str, stream: AnyStream) -> ServedCall:
        room, write = room_and_write(stream)
        return ServedCall(rpc, self._listener, stream.metadata or {}, room, stream.deadline, write)

    def _unary(self, handler: RpcHandler) -> Serve:
        function = remembering(handler, self._outcomes) if handler.once else handler.function
        begin = _unrecorded if handler.unrecorded else self._begin

        async def answer(stream: AnyStream, call: ServedCall) -> None:
            with begin(call) as middleware:
                try:
                    self._let_in(stream, call)
                    request = await _receive(stream)
                    await middleware.request(request)
                    response = middleware.response(await function(request, call))
                except Exception as error:
                    raise failure(error, handler.rpc) from None
            if call.initial_metadata:
                await stream.send_initial_metadata(metadata=call.initial_metadata)
            await stream.send_message(response)

        async def serve(stream: AnyStream) -> None:
            call = self._call(handler.rpc, stream)
            try:
                await answer(stream, call)
            except BaseException:  # an error is no response either, and started nothing
                call.lose()
                raise
            call.answered()

        return serve

    def _server_stream(self, handler: RpcHandler) -> Serve:
        async def responses(
            stream: AnyStream, call: ServedCall, middleware: CallMiddleware
        ) -> AsyncGenerator[Any, None]:
            try:
                self._let_in(stream, call)
                request = await _receive(stream)
                await middleware.request(request)
                async with aclosing(handler.function(request, call)) as source:
                    async for response in source:
                        for part in middleware.responses(response):
                            yield part
            except Exception as error:
                raise failure(error, handler.rpc) from None

        async def serve(stream: AnyStream) -> None:
            call = self._call(handler.rpc, stream)
            # Sending waits for the client's window, and the handler for the sending and, before it
            # makes a large response, for `room`: what the client does not read stays where it is.
            with self._begin(call) as middleware:
                async with aclosing(responses(stream, call, middleware)) as source:
                    async for response in source:
                        await stream.send_message(response)

        return serve

    def _client_stream(self, handler: RpcHandler) -> Serve:
        async def serve(stream: AnyStream) -> None:
            call = self._call(handler.rpc, stream)
            with self._begin(call) as middleware:
                try:
                    self._let_in(stream, call)
                    await middleware.request(None)
                    requests = _Requests(stream, middleware)
                    response = middleware.response(await handler.function(requests, call))
                except Exception as error:
                    raise failure(error, handler.rpc) from None
            await stream.send_message(response)

        return serve

    def _both_streams(self, handler: RpcHandler) -> Serve:
        """Of calls that are neither recorded nor disturbed: what they stand for may be."""
        assert handler.unrecorded

        async def responses(stream: AnyStream, call: ServedCall) -> AsyncGenerator[Any, None]:
            try:
                self._let_in(stream, call)
                requests = _Requests(stream, CallMiddleware())
                async with aclosing(handler.function(requests, call)) as source:
                    async for response in source:
                        yield response
            except Exception as error:
                raise failure(error, handler.rpc) from None

        async def serve(stream: AnyStream) -> None:
            async with aclosing(responses(stream, self._call(handler.rpc, stream))) as source:
                async for response in source:
                    await stream.send_message(response)

        return serve


async def _receive(stream: AnyStream) -> Any:
    request = await _message(stream)
    if request is None:
        raise invalid("the call ended before its request came")
    return request


async def _message(stream: AnyStream) -> Any:
    """A message, or `None` at the end of the stream."""
    try:
        return await stream.recv_message()
    except AssertionError:  # grpclib has no other error for it
        raise invalid("the call ended within a message") from None
    except NotImplementedError:
        raise unimplemented("messages that are compressed are not implemented") from None


class _Requests:
    """The requests of a stream, each of which passes the middleware on its way to the handler."""

    def __init__(self, stream: AnyStream, middleware: CallMiddleware) -> None:
        self._stream = stream
        self._middleware = middleware

    async def recv_message(self) -> Any:
        message = await _message(self._stream)
        if message is not None:
            self._middleware.further_request(message)
        return message


def _resetting(serve: Serve) -> Serve:
    """Reset a call whose response is to be lost."""

    async def run(stream: AnyStream) -> None:
        try:
            await serve(stream)
        except ResponseLost:
            await stream.cancel()

    return run


def _unrecorded(_: ServedCall) -> CallMiddleware:
    return CallMiddleware()
