"""All services as one listener serves them: servicers bound to the paths of their RPCs."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from grpclib.const import Handler

from pytest_sandbox._proto.control_grpc import ModalClientBase
from pytest_sandbox._proto.extensions_grpc import ExtensionsBase
from pytest_sandbox._proto.inspector_grpc import InspectorBase
from pytest_sandbox._proto.router_grpc import TaskCommandRouterBase

from .auth import ListenerConfig, RouterTokens
from .call import AnyStream, Serve, ServedCall
from .dispatch import Dispatch
from .handlers import find_handler
from .idempotency import Outcomes
from .middleware import Middleware


class Services:
    """All services of one listener; what `RpcServer` takes.

    Args:
        listener: decides who is let in.
        tokens: of the command router.
        outcomes: of calls with an idempotency key; shared by all listeners.
        middleware: records and disturbs all calls except those of the inspector.
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
        def enter_control(call: ServedCall) -> None:
            listener.check_control(call.metadata)

        def enter_router(call: ServedCall) -> None:
            call.task_id = tokens.check(call.header("authorization"))

        self._control = Dispatch(listener, enter_control, outcomes, middleware)
        routing = Dispatch(listener, enter_router, outcomes, middleware)
        # The inspector's own calls are not recorded.
        inspecting = Dispatch(listener, enter_control, outcomes, None)
        ours = listener.inspector
        self._handlers = {
            **_bound(ModalClientBase, control, self._control),
            **_bound(TaskCommandRouterBase, router, routing),
            **_bound(ExtensionsBase, extensions if ours else [], self._control),
            **_bound(InspectorBase, inspector if ours else [], inspecting),
        }

    def __mapping__(self) -> dict[str, Handler]:
        """What grpclib asks for: path to handler."""
        return self._handlers

    def refusal(self, path: str) -> Serve:
        """The answer to a call of a path that has no handler."""
        return self._control.refuse(path)


def _bound(base: type, servicers: Sequence[object], dispatch: Dispatch) -> dict[str, Handler]:
    """The handlers of a service by path; an RPC that no servicer has is refused."""
    return {
        path: entry._replace(func=_LateServe(path, entry, servicers, dispatch))
        for path, entry in _entries(base).items()
    }


class _LateServe:
    """Serves the calls of one RPC; it is put together by the first: few RPCs are ever called."""

    def __init__(
        self, path: str, entry: Handler, servicers: Sequence[object], dispatch: Dispatch
    ) -> None:
        self._path = path
        self._entry = entry
        self._servicers = servicers
        self._dispatch = dispatch
        self._serve: Serve | None = None

    async def __call__(self, stream: AnyStream) -> None:
        if self._serve is None:
            self._serve = self._made()
        await self._serve(stream)

    def _made(self) -> Serve:
        handler = find_handler(str(self._entry.func), self._servicers)
        if handler is None:
            return self._dispatch.refuse(self._path)
        return self._dispatch.serve(handler, self._entry.cardinality)


@cache
def _entries(base: type) -> Mapping[str, Handler]:
    """The RPCs of a service by path; in the place of its function, each has its name."""
    return cast("Mapping[str, Handler]", base.__mapping__(cast("Any", _Names())))  # type: ignore[attr-defined]


class _Names:
    """Stands in for a servicer, to read names and types out of a generated `__mapping__`."""

    def __getattr__(self, name: str) -> str:
        return name
