"""All services as one listener serves them: servicers bound to the paths of their RPCs."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NoReturn, cast

from grpclib.const import Cardinality, Handler

from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.inspector_grpc import InspectorBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase

from .auth import ListenerConfig, RouterTokens
from .call import AnyStream, Serve, ServedCall
from .dispatch import Dispatch
from .errors import not_loaded
from .handlers import RpcHandler, handler_of
from .idempotency import Outcomes
from .middleware import Middleware

#: Gives the servicer with the handler of an RPC; `None` if none has one.
ServicerOf = Callable[[str], object | None]


class Services:
    """All services of one listener; what `RpcServer` takes.

    Args:
        listener: decides who is let in.
        tokens: of the command router.
        outcomes: of calls with an idempotency key; shared by all listeners.
        middleware: records and disturbs all calls except those of the inspector.
        servicer_of: gives the servicer with the handler of an RPC, if there is one.
    """

    def __init__(
        self,
        listener: ListenerConfig,
        tokens: RouterTokens,
        outcomes: Outcomes[Any],
        middleware: Middleware,
        servicer_of: ServicerOf,
    ) -> None:
        def enter_control(call: ServedCall) -> None:
            listener.check_control(call.metadata)

        def enter_router(call: ServedCall) -> None:
            call.task_id = tokens.check(call.header("authorization"))

        self._control = Dispatch(listener, enter_control, outcomes, middleware)
        routing = Dispatch(listener, enter_router, outcomes, middleware)
        # The inspector's own calls are not recorded.
        inspecting = Dispatch(listener, enter_control, outcomes, None)
        ours = servicer_of if listener.inspector else _nothing
        self._parts: list[tuple[type, ServicerOf, Dispatch]] = [
            (ModalClientBase, servicer_of, self._control),
            (TaskCommandRouterBase, servicer_of, routing),
            (ExtensionsBase, ours, self._control),
            (InspectorBase, ours, inspecting),
        ]

    def __mapping__(self) -> dict[str, Handler]:
        """The handlers of all paths, for a server of grpclib itself."""
        return {
            path: _bound(path, entry, servicer_of, dispatch)
            for base, servicer_of, dispatch in self._parts
            for path, entry in _entries(base).items()
        }

    def handler(self, path: str) -> Handler | None:
        """The handler of a path, which refuses the call if no servicer has the RPC."""
        for base, servicer_of, dispatch in self._parts:
            entry = _entries(base).get(path)
            if entry is not None:
                return _bound(path, entry, servicer_of, dispatch)
        return None

    def refusal(self, path: str) -> Serve:
        """The answer to a call of a path that has no handler."""
        return self._control.refuse(path)


def _nothing(rpc: str) -> None:
    """No RPC has a handler."""


def _bound(path: str, entry: Handler, servicer_of: ServicerOf, dispatch: Dispatch) -> Handler:
    return entry._replace(func=_LateServe(path, entry, servicer_of, dispatch))


class _LateServe:
    """Serves the calls of one RPC; the first has its servicer made: few RPCs are ever called."""

    def __init__(
        self, path: str, entry: Handler, servicer_of: ServicerOf, dispatch: Dispatch
    ) -> None:
        self._path = path
        self._entry = entry
        self._servicer_of = servicer_of
        self._dispatch = dispatch
        self._serve: Serve | None = None

    async def __call__(self, stream: AnyStream) -> None:
        if self._serve is None:
            try:
                self._serve = self._made()
            except Exception as error:  # not remembered: the files may be there again
                await self._refuse(stream, error)
                return
        await self._serve(stream)

    async def _refuse(self, stream: AnyStream, error: Exception) -> None:
        """Answer a caller who is let in that the servicer cannot be made."""
        rpc, cardinality = str(self._entry.func), self._entry.cardinality

        def fail(request: object, call: ServedCall) -> NoReturn:
            raise not_loaded(error, rpc)

        unrecorded = cardinality is Cardinality.STREAM_STREAM
        handler = RpcHandler(rpc, fail, once=False, unrecorded=unrecorded)
        await self._dispatch.serve(handler, cardinality)(stream)

    def _made(self) -> Serve:
        rpc = str(self._entry.func)
        servicer = self._servicer_of(rpc)
        if servicer is None:
            return self._dispatch.refuse(self._path)
        return self._dispatch.serve(handler_of(servicer, rpc), self._entry.cardinality)


@cache
def _entries(base: type) -> Mapping[str, Handler]:
    """The RPCs of a service by path; in the place of its function, each has its name."""
    return cast("Mapping[str, Handler]", base.__mapping__(cast("Any", _Names())))  # type: ignore[attr-defined]


class _Names:
    """Stands in for a servicer, to read names and types out of a generated `__mapping__`."""

    def __getattr__(self, name: str) -> str:
        return name
