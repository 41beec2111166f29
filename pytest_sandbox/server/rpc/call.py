"""One call, as the handler of its RPC sees it besides the request, and the task that serves it.

grpclib serves every kind of server: it looks for listeners of events at each step, and makes and
checks the same headers for each call. What is usual is done here with less work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from grpclib import GRPCError, Status
from grpclib import protocol as grpclib_protocol
from grpclib.const import Handler as Method
from grpclib.exceptions import StreamTerminatedError
from grpclib.metadata import Deadline, decode_metadata, decode_timeout, encode_metadata
from grpclib.server import Handler, Stream, request_handler
from grpclib.stream import recv_message
from grpclib.utils import Wrapper

from .answers import AnsweringStream, Room
from .auth import ListenerConfig

log = logging.getLogger("pytest_sandbox.server")

#: A stream of messages of any type, as grpclib gives it to what serves a call.
AnyStream = Stream[Any, Any]
#: What grpclib calls to serve a call.
Serve = Callable[[AnyStream], Awaitable[None]]

#: Metadata: the name that a client gives itself, so that several can share an engine; see `Rpcs`.
CALLER = "x-sandbox-caller"
#: Metadata: there if another such sandbox as the one that is created is likely to be created soon.
ANOTHER = "x-sandbox-another"
#: Metadata: the same in each attempt to make a call that creates something.
IDEMPOTENCY_KEY = "x-idempotency-key"


async def unlimited(most: int) -> int:
    """The `room` of who has enough of it."""
    return most


class ServedCall:
    """A call that is being served.

    Args:
        rpc: name of the RPC.
        listener: where the call came in.
        metadata: what the client sent beside the request.
        deadline: when the client gives it up; `None` if it does not.
        room: waits until the client takes more of a stream of responses, and returns how many of so
            many bytes the next one may have. Handlers ask it before they make a large response.
        write: writes the responses that were made, which else wait until the turn of the event loop
            ends.

    Attributes:
        task_id: command router only: the task that the caller's token is for.
        initial_metadata: what goes back to the client ahead of the response.
        lost: whether the call ended without a response: its client is gone, or has cancelled it.
        on_lost: called then.
        on_answered: called once the response is written, if the call has only one.
    """

    __slots__ = (
        "deadline",
        "initial_metadata",
        "listener",
        "lost",
        "metadata",
        "on_answered",
        "on_lost",
        "room",
        "rpc",
        "task_id",
        "write",
    )

    def __init__(
        self,
        rpc: str,
        listener: ListenerConfig,
        metadata: Mapping[str, str | bytes],
        room: Room = unlimited,
        deadline: Deadline | None = None,
        write: Callable[[], None] | None = None,
    ) -> None:
        self.deadline = deadline
        self.write = write or _nothing
        self.rpc = rpc
        self.listener = listener
        self.metadata = metadata
        self.room = room
        self.task_id = ""
        self.initial_metadata: Mapping[str, str | bytes] = {}
        self.lost = False
        self.on_lost: Callable[[], None] = _nothing
        self.on_answered: Callable[[], object] = _nothing

    def lose(self) -> None:
        """Say that the call ended without a response."""
        self.lost = True
        self.on_lost()

    def answered(self) -> None:
        """Say that the response is written: to this attempt, or to a later one of the same call."""
        then, self.on_answered = self.on_answered, _nothing
        then()

    def forget_stream(self) -> None:
        """Its handler is done: hold nothing that is larger than the response."""
        self.metadata, self.room, self.write = {}, unlimited, _nothing

    def header(self, name: str) -> str:
        """A text entry of the metadata; empty if absent."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else ""


def room_and_write(stream: AnyStream) -> tuple[Room, Callable[[], None]]:
    """Those of a call; a stream that something was put in front of has all room, at any time."""
    # grpclib has no public name for it.
    frames = getattr(stream, "_stream", None)
    if isinstance(frames, AnsweringStream):
        return frames.room, frames.write_if_due
    return unlimited, _nothing


def _nothing() -> None:
    pass


_CONTENT_TYPES = ("application/grpc", "application/grpc+proto")
_FIRST = [(":status", "200"), ("content-type", "application/grpc+proto")]
_LAST = [("grpc-status", str(Status.OK.value))]


class _ServedStream(Stream[Any, Any]):
    """The messages of a call."""

    async def recv_message(self) -> Any:
        """The next message of the client; `None` at the end."""
        return await recv_message(self._stream, self._codec, self._recv_type)

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        """Send headers."""
        headers = [*_FIRST, *encode_metadata(metadata)] if metadata else _FIRST
        await self._stream.send_headers(headers)
        self._send_initial_metadata_done = True

    async def send_message(self, message: Any) -> None:
        """Send a message."""
        if not self._send_initial_metadata_done:
            await self.send_initial_metadata()
        data = self._codec.encode(message, self._send_type)
        await self._stream.send_data(b"\0" + len(data).to_bytes(4, "big") + data)
        self._send_message_done = True

    async def send_trailing_metadata(self, *, status: Status = Status.OK, **options: Any) -> None:
        """Say how the call ended."""
        usual = status is Status.OK and not options.get("metadata")
        if usual and self._send_initial_metadata_done:
            await self._stream.send_headers(_LAST, end_stream=True)
            self._send_trailing_metadata_done = True
        else:
            await super().send_trailing_metadata(status=status, **options)


class _Ending(Wrapper):
    """Ends a call with an error, and forgets that: its frames are those of the call."""

    def __exit__(self, *raised: Any) -> None:
        try:
            super().__exit__(*raised)
        finally:
            self._error = None


class CallTasks(Handler):
    """The tasks of the calls of a connection.

    grpclib forgets those that have ended with each tenth call, for which it looks at all. So after
    a client has reset many, those of the last ones stay, with all that they hold.
    """

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self._tasks)

    def accept(
        self,
        stream: grpclib_protocol.Stream,
        headers: list[tuple[str, str]],
        release_stream: Callable[[], Any],
    ) -> None:
        """Begin a call."""
        task = self.loop.create_task(self._serve(stream, headers, release_stream))
        self._tasks[stream] = task

        def forget(task: asyncio.Task[None]) -> None:
            self._tasks.pop(stream, None)
            self._cancelled.discard(task)

        task.add_done_callback(forget)

    def __gc_collect__(self) -> None:
        """Do nothing: each task is forgotten when it has ended."""

    async def _serve(
        self,
        stream: grpclib_protocol.Stream,
        headers: list[tuple[str, str]],
        release: Callable[[], Any],
    ) -> None:
        known = dict(headers)
        method = self.mapping.get(known.get(":path", "")) if _are_usual(known) else None
        if method is None or len(known) < len(headers):
            codecs = self.codec, self.status_details_codec
            await request_handler(self.mapping, stream, headers, *codecs, self.dispatch, release)
            return
        timer = None
        wrapper = stream.wrapper = _Ending()  # by which the call ends with its connection
        try:
            call = self._call(stream, known, method)
            call.metadata = decode_metadata(headers)
            if call.deadline is not None:
                late = asyncio.TimeoutError("Deadline exceeded")
                timer = self.loop.call_later(call.deadline.time_remaining(), wrapper.cancel, late)
            async with call:
                await _served(method.func, call, wrapper)
        except Exception:
            log.exception("%s failed", known[":path"])
        finally:
            if timer is not None:
                timer.cancel()
            release()

    def _call(
        self, stream: grpclib_protocol.Stream, headers: Mapping[str, str], method: Method
    ) -> _ServedStream:
        timeout = headers.get("grpc-timeout")
        return _ServedStream(
            stream,
            headers[":path"],
            method.cardinality,
            method.request_type,
            method.reply_type,
            codec=self.codec,
            status_details_codec=self.status_details_codec,
            dispatch=self.dispatch,
            deadline=None if timeout is None else Deadline.from_timeout(decode_timeout(timeout)),
            user_agent=headers.get("user-agent"),
        )


def _are_usual(headers: Mapping[str, str]) -> bool:
    """Whether they are those of a call of gRPC, about which there is nothing to say."""
    timeout = headers.get("grpc-timeout", "1S")
    return (
        headers.get(":method") == "POST"
        and headers.get("content-type") in _CONTENT_TYPES
        and headers.get("te") == "trailers"
        and timeout[:-1].isdecimal()
        and timeout[-1] in "HMSmun"
    )


async def _served(serve: Serve, call: _ServedStream, wrapper: Wrapper) -> None:
    """Have a call served until it ends, or its time or its connection does."""
    try:
        with wrapper:
            await serve(call)
    except (GRPCError, StreamTerminatedError):
        raise
    except Exception as error:
        if isinstance(error, asyncio.TimeoutError) and wrapper.cancelled:
            raise GRPCError(Status.DEADLINE_EXCEEDED) from None
        log.exception("a call failed")
        raise
