"""What records and disturbs a call on its way to the handler and back."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status

from pytest_sandbox.engine import Clock

from .call import CALLER, ServedCall
from .disruption import Disruption, ResponseLost
from .faults import FaultInjector
from .recorded_call import RecordedCall
from .recorder import Recorder


class CallMiddleware:
    """One call that is neither recorded nor disturbed: the common case.

    Attributes:
        watches: whether it is recorded or may be disturbed.
    """

    watches = False

    async def request(self, message: Message | None) -> None:
        """The request has arrived, or the call if it takes a stream of requests.

        Raises:
            GRPCError: what the call is to end with instead of being carried out.
        """

    def further_request(self, message: Message) -> None:
        """A message of a stream of requests has arrived."""

    def response(self, message: Any) -> Any:
        """The message to answer with, in the place of `message`.

        Raises:
            ResponseLost: the call is to be reset.
        """
        return message

    def responses(self, message: Any) -> Iterator[Any]:
        """The messages to send in the place of one message of a stream of responses.

        Raises:
            ResponseLost: the call is to be reset.
            GRPCError: what the stream is to end with.
        """
        yield message

    def __enter__(self) -> "CallMiddleware":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The call has ended."""


class Middleware:
    """Records and disturbs the calls of a server.

    Args:
        recorder: records them.
        faults: disturbs them.
        clock: the engine's.
    """

    def __init__(self, recorder: Recorder, faults: FaultInjector, clock: Clock) -> None:
        self._recorder = recorder
        self._faults = faults
        self._clock = clock
        self._unrecorded = CallMiddleware()

    @property
    def recording(self) -> bool:
        """Whether calls are recorded."""
        return self._recorder.on

    def disturbs(self, *rpcs: str) -> bool:
        """Whether a fault may apply to calls of one of these names."""
        return self._faults.concerns(*rpcs)

    def begin(self, call: ServedCall) -> CallMiddleware:
        """A call has come in; `call` is what its handler will get."""
        recorded, disturbed = self._recorder.on, self._faults.concerns(call.rpc)
        if not recorded and not disturbed:
            return self._unrecorded
        entry = None
        if recorded:
            entry = self._recorder.begin(call.rpc, call.listener.name, call.metadata)
            entry.caller = call.header(CALLER)
        return _WatchedCall(call, self._recorder, entry, self._faults, self._clock)


class _WatchedCall(CallMiddleware):
    """One call that is recorded, or that a fault may apply to."""

    watches = True

    def __init__(
        self,
        call: ServedCall,
        recorder: Recorder,
        entry: RecordedCall | None,
        faults: FaultInjector,
        clock: Clock,
    ) -> None:
        self._call = call
        self._recorder = recorder
        self._entry = entry
        self._faults = faults
        self._clock = clock
        self._disruption: Disruption | None = None

    async def request(self, message: Message | None) -> None:
        if message is not None:
            self.further_request(message)
        disruption = self._faults.fire(self._call.rpc, self._call.header(CALLER), message)
        if disruption is None:
            return
        self._disruption = disruption
        if self._entry is not None:
            self._entry.faults += disruption.words
        if disruption.delay:
            await self._clock.sleep(disruption.delay)
        if disruption.error is not None:
            raise disruption.error

    def further_request(self, message: Message) -> None:
        if self._entry is not None:
            self._recorder.request(self._entry, message)

    def response(self, message: Any) -> Any:
        self._record_response(message)
        if self._disruption is not None and self._disruption.drop:
            raise ResponseLost
        return message

    def responses(self, message: Any) -> Iterator[Any]:
        disruption = self._disruption
        if disruption is not None and disruption.drop:
            raise ResponseLost
        if disruption is None or disruption.left is None:
            self._record_response(message)
            yield message
            return
        part, size = _beginning(message, disruption.left)
        if part is not None:
            disruption.left -= size
            self._record_response(part)
            yield part
        if part is not message or disruption.left == 0:
            disruption.cut = True
            raise GRPCError(Status.UNAVAILABLE, "the stream was cut by a planned fault")

    def _record_response(self, message: Message) -> None:
        if self._entry is not None:
            self._recorder.response(self._entry, message)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._disruption is not None:
            self._disruption.over()
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
    """As much of a message as there is room for, `None` for nothing, and its size in bytes."""
    data = getattr(message, "data", None)
    if not isinstance(data, bytes):
        size = message.ByteSize()
        return (message, size) if size <= room else (None, 0)
    if len(data) <= room:
        return message, len(data)
    return (type(message)(data=data[:room]) if room else None), room
