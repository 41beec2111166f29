"""The one way from a request on the wire to a handler, and back.

A handler carries the name of its RPC and is a plain coroutine (or, for a stream of responses,
an async generator) of a servicer class; there is one such class per concern:

    async def SandboxWait(self, request: SandboxWaitRequest, call: Call) -> SandboxWaitResponse

`Services` puts servicers together, adds an answer for every RPC that none of them has, and runs
each call through `_Dispatch`.
"""

from abc import abstractmethod
from asyncio import BaseTransport
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import cache, partial
from typing import Any, Protocol, TypeVar, cast

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream
from h2.settings import SettingCodes

from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.inspector_grpc import InspectorBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase
from pytest_sandbox.rpcs import StatusDetails

from .auth import ListenerConfig, RouterTokens
from .errors import failure, invalid
from .faults import ResponseLost
from .idempotency import Outcomes
from .middleware import CallMiddleware, Middleware

AnyStream = Stream[Any, Any]
H = TypeVar("H", bound=Callable[..., Any])

IDEMPOTENCY_KEY = "x-idempotency-key"
_MAX_CONCURRENT_CALLS = 100_000
#: Newer clients of Modal speak the second version of its sandbox API unless told otherwise.
_FIRST_VERSION = "set MODAL_SANDBOX_V2=0 in the environment of the client"


class Call:
    """What a handler may know about a call besides the request.

    Attributes:
        rpc: name of the RPC.
        listener: where the call came in.
        metadata: what the client sent beside the request.
        task_id: command router only: the task that the caller's token is for.
        initial_metadata: what goes back to the client ahead of the response.
    """

    __slots__ = ("initial_metadata", "listener", "metadata", "rpc", "task_id")

    def __init__(
        self, rpc: str, listener: ListenerConfig, metadata: Mapping[str, str | bytes]
    ) -> None:
        self.rpc = rpc
        self.listener = listener
        self.metadata = metadata
        self.task_id = ""
        self.initial_metadata: Mapping[str, str | bytes] = {}

    def header(self, name: str) -> str:
        """A text entry of the metadata; empty if absent."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else ""


def once(handler: H) -> H:
    """Mark a handler whose RPC creates something: it runs once per idempotency key."""
    handler.__once__ = True  # type: ignore[attr-defined]
    return handler


def unnoticed(handler: H) -> H:
    """Mark a handler whose calls nobody is to see: it changes nothing but how long others take."""
    handler.__unnoticed__ = True  # type: ignore[attr-defined]
    return handler


class Services:
    """All services as one listener serves them; what `grpclib.server.Server` takes.

    Args:
        listener: decides who is let in.
        tokens: of the command router.
        outcomes: of calls with an idempotency key; shared by all listeners.
        middleware: watches and disturbs all calls but those of the inspector.
        control: servicers of the control plane.
        router: servicers of the command router.
        extensions: servicers of our additions to these.
        inspector: servicers of the inspector.
    """

    def __init__(
        self,
        listener: ListenerConfig,
        tokens: RouterTokens,
        outcomes: Outcomes[Any],
        middleware: Middleware,
        *,
        control: Sequence[object],
        router: Sequence[object],
        extensions: Sequence[object],
        inspector: Sequence[object],
    ) -> None:
        self._dispatch = _Dispatch(listener, tokens, outcomes, middleware)
        self._unwatched = _Dispatch(listener, tokens, outcomes, None)
        self._handlers = {
            **_bind(ModalClientBase, control, self._dispatch, self._dispatch.enter_control),
            **_bind(TaskCommandRouterBase, router, self._dispatch, self._dispatch.enter_router),
            **_bind(
                ExtensionsBase,
                extensions if listener.inspector else [],
                self._dispatch,
                self._dispatch.enter_control,
            ),
            # Who looks at the calls does not look at itself looking.
            **_bind(
                InspectorBase,
                inspector if listener.inspector else [],
                self._unwatched,
                self._unwatched.enter_control,
            ),
        }

    def __mapping__(self) -> dict[str, Handler]:
        """What grpclib asks for: path to handler."""
        return self._handlers

    def refusal(self, path: str) -> Callable[[AnyStream], Awaitable[None]]:
        """The answer to a call that none of the services has."""
        return self._dispatch.refuse(path)


def _bind(
    base: type, servicers: Sequence[object], dispatch: "_Dispatch", enter: Callable[[Call], None]
) -> dict[str, Handler]:
    return {
        path: entry._replace(func=_late(partial(dispatch.serve, path, entry, servicers, enter)))
        for path, entry in _entries(base).items()
    }


def _late(
    make: Callable[[], Callable[[AnyStream], Awaitable[None]]],
) -> Callable[[AnyStream], Awaitable[None]]:
    """A function that is made by its first call: of many, a server in memory serves few."""
    made: list[Callable[[AnyStream], Awaitable[None]]] = []

    async def serve(stream: AnyStream) -> None:
        if not made:
            made.append(make())
        await made[0](stream)

    return serve


@cache
def _entries(base: type) -> Mapping[str, Handler]:
    """The calls of a service by path: name, kind and types of each."""
    return cast("Mapping[str, Handler]", base.__mapping__(cast("Any", _Names())))  # type: ignore[attr-defined]


class AnyServices(Protocol):
    """What a server serves: `Services`, or something that a test puts in front of them."""

    @abstractmethod
    def __mapping__(self) -> dict[str, Handler]:
        """What grpclib asks for: path to handler."""

    @abstractmethod
    def refusal(self, path: str) -> Callable[[AnyStream], Awaitable[None]]:
        """The answer to a call of a path that has no handler."""


class RpcServer(Server):
    """A server that goes beyond grpclib in two ways, for which grpclib has no setting.

    It names what it does not have, where grpclib says only 'Method not found'. And it lets a
    client have any number of calls under way on one connection, where h2 allows 100: each
    sandbox can keep several open for as long as it lives.
    """

    def __init__(self, services: AnyServices) -> None:
        super().__init__([services], status_details_codec=StatusDetails())
        self._mapping = _Named(self._mapping, services.refusal)

    def accept(self) -> H2Protocol:
        """The server's end of a connection that comes in some other way than by a socket."""
        return self._protocol_factory()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        made = protocol.connection_made

        def connection_made(transport: BaseTransport) -> None:
            made(transport)
            connection = protocol.connection
            connection._connection.update_settings(
                {SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_CONCURRENT_CALLS}
            )
            connection.flush()

        protocol.connection_made = connection_made  # type: ignore[method-assign]
        return protocol


class _Named(dict[str, Handler]):
    def __init__(
        self,
        handlers: Mapping[str, Handler],
        refusal: Callable[[str], Callable[[AnyStream], Awaitable[None]]],
    ) -> None:
        super().__init__(handlers)
        self._refusal = refusal

    def get(self, path: str, default: Any = None) -> Any:
        handler = super().get(path)
        if handler is None:
            return Handler(self._refusal(path), Cardinality.STREAM_STREAM, Empty, Empty)
        return handler


class _Names:
    """Stands in for a servicer, to read names and types out of a generated `__mapping__`."""

    def __getattr__(self, name: str) -> str:
        return name


class _Dispatch:
    """What every call goes through, in this order.

    1. `enter_*` lets the caller in, or not.
    2. The request passes whoever watches or disturbs calls.
    3. The handler runs; once per idempotency key if it is marked so.
    4. What it raised becomes a status.
    5. The response passes the same way back.
    """

    def __init__(
        self,
        listener: ListenerConfig,
        tokens: RouterTokens,
        outcomes: Outcomes[Any],
        middleware: Middleware | None,
    ) -> None:
        self._listener = listener
        self._tokens = tokens
        self._outcomes = outcomes
        self._begin = middleware.begin if middleware is not None else _unnoticed

    def enter_control(self, call: Call) -> None:
        self._listener.check_control(call.metadata)

    def enter_router(self, call: Call) -> None:
        call.task_id = self._tokens.check(call.header("authorization"))

    def serve(
        self,
        path: str,
        entry: Handler,
        servicers: Sequence[object],
        enter: Callable[[Call], None],
    ) -> Callable[[AnyStream], Awaitable[None]]:
        """The function that grpclib calls for one RPC."""
        name = str(entry.func)
        handler = next((getattr(s, name) for s in servicers if hasattr(s, name)), None)
        if handler is None:
            return self.refuse(path)
        if getattr(handler, "__unnoticed__", False):
            return _resetting(self._unary(name, handler, enter, _unnoticed))
        kinds = {
            Cardinality.UNARY_UNARY: self._unary,
            Cardinality.UNARY_STREAM: self._server_stream,
            Cardinality.STREAM_UNARY: self._client_stream,
        }
        return _resetting(kinds[entry.cardinality](name, handler, enter))

    def refuse(self, path: str) -> Callable[[AnyStream], Awaitable[None]]:
        """The answer to a call that is not there, by name."""
        service, _, rpc = path.lstrip("/").rpartition("/")
        remedy = f": {_FIRST_VERSION}" if rpc.endswith("V2") else ""

        async def refuse(stream: AnyStream) -> None:
            with self._begin(Call(rpc, self._listener, stream.metadata or {})):
                raise GRPCError(
                    Status.UNIMPLEMENTED,
                    f"{rpc} (of {service}) is not implemented by pytest-sandbox{remedy}",
                )

        return refuse

    def _unary(
        self,
        name: str,
        handler: Callable[..., Any],
        enter: Callable[[Call], None],
        begin: Callable[[Call], CallMiddleware] | None = None,
    ) -> Callable[[AnyStream], Awaitable[None]]:
        if getattr(handler, "__once__", False):
            handler = self._remembering(name, handler)
        begin = begin or self._begin

        async def serve(stream: AnyStream) -> None:
            call = Call(name, self._listener, stream.metadata or {})
            with begin(call) as middleware:
                try:
                    enter(call)
                    request = await _receive(stream)
                    await middleware.request(request)
                    response = middleware.response(await handler(request, call))
                except Exception as error:
                    raise failure(error, name) from None
            if call.initial_metadata:
                await stream.send_initial_metadata(metadata=call.initial_metadata)
            await stream.send_message(response)

        return serve

    def _server_stream(
        self, name: str, handler: Callable[..., Any], enter: Callable[[Call], None]
    ) -> Callable[[AnyStream], Awaitable[None]]:
        async def responses(
            stream: AnyStream, call: Call, middleware: CallMiddleware
        ) -> AsyncGenerator[Any, None]:
            try:
                enter(call)
                request = await _receive(stream)
                await middleware.request(request)
                async with aclosing(handler(request, call)) as source:
                    async for response in source:
                        for part in middleware.responses(response):
                            yield part
            except Exception as error:
                raise failure(error, name) from None

        async def serve(stream: AnyStream) -> None:
            call = Call(name, self._listener, stream.metadata or {})
            # Sending waits for the client's window, and the handler for the sending: what the
            # client does not read stays where it is.
            with self._begin(call) as middleware:
                async with aclosing(responses(stream, call, middleware)) as source:
                    async for response in source:
                        await stream.send_message(response)

        return serve

    def _client_stream(
        self, name: str, handler: Callable[..., Any], enter: Callable[[Call], None]
    ) -> Callable[[AnyStream], Awaitable[None]]:
        async def serve(stream: AnyStream) -> None:
            call = Call(name, self._listener, stream.metadata or {})
            with self._begin(call) as middleware:
                try:
                    enter(call)
                    await middleware.request(None)
                    response = middleware.response(await handler(_Heard(stream, middleware), call))
                except Exception as error:
                    raise failure(error, name) from None
            await stream.send_message(response)

        return serve

    def _remembering(
        self, name: str, handler: Callable[..., Awaitable[Any]]
    ) -> Callable[[Any, Call], Awaitable[Any]]:
        async def run(request: Any, call: Call) -> tuple[Any, Mapping[str, str | bytes]]:
            return await handler(request, call), call.initial_metadata

        async def remembered(request: Any, call: Call) -> Any:
            key = call.header(IDEMPOTENCY_KEY)
            if not key:
                return await handler(request, call)
            response, call.initial_metadata = await self._outcomes.once(
                name, key, lambda: run(request, call)
            )
            return response

        return remembered


async def _receive(stream: AnyStream) -> Any:
    request = await stream.recv_message()
    if request is None:
        raise invalid("the call ended before its request came")
    return request


class _Heard:
    """The requests of a stream, each of which passes on its way to the handler."""

    def __init__(self, stream: AnyStream, middleware: CallMiddleware) -> None:
        self._stream = stream
        self._middleware = middleware

    async def recv_message(self) -> Any:
        message = await self._stream.recv_message()
        if message is not None:
            self._middleware.heard(message)
        return message


def _resetting(
    serve: Callable[[AnyStream], Awaitable[None]],
) -> Callable[[AnyStream], Awaitable[None]]:
    """Reset the call whose answer is lost."""

    async def run(stream: AnyStream) -> None:
        try:
            await serve(stream)
        except ResponseLost:
            await stream.cancel()

    return run


def _unnoticed(_: Call) -> CallMiddleware:
    return CallMiddleware()
