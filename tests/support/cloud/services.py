"""What one host of the cloud serves: the calls of the server behind it, as a cloud has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from grpclib import GRPCError, Status

from pytest_sandbox._proto.common_pb2 import RPCRetryPolicy

from .losses import Losses, is_lost, lose
from .oauth_users import with_token
from .streams import WatchedStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.const import Handler

    from pytest_sandbox.server.rpc.call import Serve
    from pytest_sandbox.server.rpc.services import Services

    from .hooks import Hooks
    from .options import CloudOptions
    from .rules import Rules


class HostServices:
    """The services of one host.

    Args:
        services: of the server behind it.
        prefix: how the paths begin that this host serves.
        rules: what holds for its calls.
        losses: connections that are lost.
        options: of the cloud.
        hooks: what a test wants to happen at a call.
    """

    def __init__(
        self,
        services: Services,
        prefix: str,
        rules: Rules,
        losses: Losses,
        options: CloudOptions,
        hooks: Hooks,
    ) -> None:
        self._services = services
        self._prefix = prefix
        self._rules = rules
        self._losses = losses
        self._options = options
        self._hooks = hooks
        self._limited = {rpc: limit.times for rpc, limit in options.rate_limits.items()}

    def handler(self, path: str) -> Handler | None:
        """The handler of a path; `None` if another host serves it, or none does."""
        if not path.startswith(self._prefix):
            return None
        handler = self._services.handler(path)
        return handler and handler._replace(func=self._around(path, handler.func))

    def refusal(self, path: str) -> Serve:
        """The answer to a call that this host does not serve."""
        return _unknown

    def _around(self, path: str, serve: Serve) -> Serve:
        rpc = path.rpartition("/")[2]

        async def around(stream: Any) -> None:
            self._hooks.call(rpc, stream)
            loss = self._losses.next(rpc)
            if loss is not None and not loss.carried_out:
                lose(stream, loss)
                return

            def response(message: Any) -> Any:
                answer = self._rules.response(rpc, message)
                self._hooks.response(stream, answer)
                if loss is None:
                    return answer
                lose(stream, loss)
                return None

            def request(message: Any) -> Any:
                self._hooks.request(stream, message)
                return self._rules.request(rpc, message)

            await self._answer(rpc, stream, serve, request, response)

        return around

    async def _answer(
        self,
        rpc: str,
        stream: Any,
        serve: Serve,
        request: Callable[[Any], Any],
        response: Callable[[Any], Any],
    ) -> None:
        trailers = {}
        if warning := self._options.warnings.get(rpc):
            trailers["x-modal-warning"] = quote(warning)
        watched = WatchedStream(stream, request, response)
        try:
            self._limit(rpc)
            self._rules.let_in(rpc, stream.metadata)
            watched.metadata = with_token(stream.metadata, self._options)
            await serve(watched)  # type: ignore[arg-type]
        except GRPCError as error:
            if not watched.received:  # what was refused unread is recorded too
                await watched.recv_message()
            self._hooks.end(rpc, stream, error.status)
            await stream.send_trailing_metadata(
                status=error.status,
                status_message=error.message,
                status_details=error.details,
                metadata=trailers,
            )
            return
        self._hooks.end(rpc, stream, Status.OK)
        if trailers and not is_lost(stream):
            await stream.send_trailing_metadata(metadata=trailers)

    def _limit(self, rpc: str) -> None:
        if self._limited.get(rpc, 0):
            self._limited[rpc] -= 1
            after = self._options.rate_limits[rpc].retry_after
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                "too many calls",
                None if after is None else [RPCRetryPolicy(retry_after_secs=after)],
            )


async def _unknown(stream: Any) -> None:
    raise GRPCError(Status.UNIMPLEMENTED, "this host does not serve it")
