"""The way of one call past whoever watches calls or disturbs them."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status

from pytest_sandbox.engine import Clock

from .faults import Disruption, FaultInjector, ResponseLost
from .recorder import RecordedCall, Recorder

if TYPE_CHECKING:
    from .dispatch import Call

#: What a client calls itself, so that several can share an engine; see `Rpcs`.
CALLER = "x-sandbox-caller"


class CallMiddleware:
    """One call on its way, for which nobody cares: the common case."""

    async def request(self, message: Message | None) -> None:
        """Its request came; what this raises, the call ends with."""

    def heard(self, message: Message) -> None:
        """A further message of a stream came."""

    def response(self, message: Any) -> Any:
        """It is about to be answered with this, or another one."""
        return message

    def responses(self, message: Any) -> Iterator[Any]:
        """It is about to be answered with this among others, or parts of it."""
        yield message

    def __enter__(self) -> "CallMiddleware":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The call is over."""


class Middleware:
    """Watches and disturbs the calls of a server.

    Args:
        recorder: writes down.
        plan: disturbs.
        clock: the engine's.
    """

    def __init__(self, recorder: Recorder, plan: FaultInjector, clock: Clock) -> None:
        self._recorder = recorder
        self._plan = plan
        self._clock = clock
        self._unnoticed = CallMiddleware()

    def begin(self, call: "Call") -> CallMiddleware:
        """A call came in; `call` is what its handler will get."""
        recorded, disturbed = self._recorder.on, self._plan.concerns(call.rpc)
        if not recorded and not disturbed:
            return self._unnoticed
        entry = None
        if recorded:
            entry = self._recorder.begin(call.rpc, call.listener.name, call.metadata)
            entry.caller = call.header(CALLER)
        return _WatchedCall(call, self._recorder, entry, self._plan, self._clock)


class _WatchedCall(CallMiddleware):
    """One call that is written down, or that a fault may be for."""

    def __init__(
        self,
        call: "Call",
        recorder: Recorder,
        entry: RecordedCall | None,
        plan: FaultInjector,
        clock: Clock,
    ) -> None:
        self._call = call
        self._recorder = recorder
        self._entry = entry
        self._plan = plan
        self._clock = clock
        self._strike: Disruption | None = None

    async def request(self, message: Message | None) -> None:
        if message is not None:
            self.heard(message)
        strike = self._plan.strike(self._call.rpc, self._call.header(CALLER), message)
        if strike is None:
            return
        self._strike = strike
        if self._entry is not None:
            self._entry.faults += strike.words
        if strike.delay:
            await self._clock.sleep(strike.delay)
        if strike.error is not None:
            raise strike.error

    def heard(self, message: Message) -> None:
        if self._entry is not None:
            self._recorder.request(self._entry, message)

    def response(self, message: Any) -> Any:
        self._answer(message)
        if self._strike is not None and self._strike.drop:
            raise ResponseLost
        return message

    def responses(self, message: Any) -> Iterator[Any]:
        strike = self._strike
        if strike is not None and strike.drop:
            raise ResponseLost
        if strike is None or strike.left is None:
            self._answer(message)
            yield message
            return
        part, size = _beginning(message, strike.left)
        if part is not None:
            strike.left -= size
            self._answer(part)
            yield part
        if part is not message or strike.left == 0:
            strike.cut = True
            raise GRPCError(Status.UNAVAILABLE, "the stream was cut, as a fault was set to")

    def _answer(self, message: Message) -> None:
        if self._entry is not None:
            self._recorder.response(self._entry, message)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._strike is not None:
            self._strike.over()
        if self._entry is None:
            return
        self._entry.task_id = self._call.task_id
        if error is None:
            self._recorder.end(self._entry, "OK", "")
        elif isinstance(error, GRPCError):
            self._recorder.end(self._entry, error.status.name, error.message or "")
        else:
            self._recorder.end(self._entry, "CANCELLED", "the client went away")


def _beginning(message: Any, room: int) -> tuple[Any, int]:
    """What of a message has room, `None` for nothing, and how much it takes."""
    data = getattr(message, "data", None)
    if not isinstance(data, bytes):
        size = message.ByteSize()
        return (message, size) if size <= room else (None, 0)
    if len(data) <= room:
        return message, len(data)
    return (type(message)(data=data[:room]) if room else None), room
