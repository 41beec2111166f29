"""One call, as `grpclib.client.Stream` makes it, with less work for each step.

grpclib serves every kind of call: it looks for listeners of events at each step, enters and leaves
a context at each wait, and has four objects that wait. Here a call that is sent at once is two
frames and one write, and what comes wakes whoever waits for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from grpclib import GRPCError, Status
from grpclib.client import Stream
from grpclib.exceptions import StreamTerminatedError
from grpclib.metadata import USER_AGENT, decode_metadata, encode_metadata, encode_timeout
from grpclib.utils import Wrapper
from h2.connection import ConnectionState
from h2.exceptions import TooManyStreamsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from grpclib.client import Channel
    from grpclib.protocol import Connection

    from pytest_sandbox._http2 import PlainConnection

    from .wide_protocol import WideProtocol

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Req = TypeVar("Req")
Res = TypeVar("Res")
T = TypeVar("T")

#: Bytes before each message: whether it is compressed, and its length.
_HEAD = 5
_LAST_HEADERS = (
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", USER_AGENT),
)


class CallStream(Stream[Req, Res]):
    """A call to a server.

    Args:
        channel: connects to it.
        name: the path of the RPC.
        *args: as grpclib gives them to its own streams.
        protocol: the connection, if there is one.
        first: the first headers.
        timeout: seconds until it fails; `None` for never.
        largest: bytes of a message that the server may send.
        **options: likewise.
    """

    _connection: Connection
    _frames: PlainConnection

    def __init__(
        self,
        channel: Channel,
        name: str,
        *args: Any,
        protocol: WideProtocol | None,
        first: Iterable[tuple[str, str]],
        timeout: float | None,
        largest: int,
        **options: Any,
    ) -> None:
        super().__init__(channel, name, *args, **options)
        self._largest = largest
        self._protocol = protocol
        self._first = first
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._id = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[Res], None] | None = None
        self._apart: Wrapper | None = None
        self.window_updated = asyncio.Event()  # set by grpclib
        self._headers: Iterable[tuple[str, str]] | None = None
        self._trailers: Iterable[tuple[str, str]] | None = None
        self._came = bytearray()
        self._unread = 0  # bytes of the window that they take, with their padding
        self._over = self._is_reset = False

    async def __aenter__(self) -> CallStream[Req, Res]:
        if self._timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._timeout, self._late)
        return self

    def _late(self) -> None:
        self._fail(asyncio.TimeoutError("Deadline exceeded"))

    # What is sent

    async def send_message(self, message: Req, *, end: bool = False) -> None:
        """Send a message.

        Args:
            message: the request, or one of them.
            end: whether it is the last.
        """
        data = self._encoded(message)
        end = end or not self._cardinality.client_streaming
        last = end
        if not self._id:
            await self._begin()
            last = True  # for a while
        while True:
            self._check()
            sent = self._send_some(data, end=end, last=last)
            if sent == len(data):
                return
            data = data[sent:]
            if not self._connection.write_ready.is_set():
                await self._until(self._connection.write_ready.wait())
            elif not sent:
                self.window_updated.clear()
                await self._until(self.window_updated.wait())

    def send_now(self, message: Req) -> bool:
        """Send a further message if that takes no waiting; whether it was sent."""
        self._check()
        data = self._encoded(message)
        if (
            len(data) > self._frames.max_outbound_frame_size
            or len(data) > self._frames.local_flow_control_window(self._id)
            or not self._connection.write_ready.is_set()
        ):
            return False
        self._send_some(data, end=False, last=True)
        return True

    def _encoded(self, message: Req) -> bytes:
        """A message with what comes before it."""
        data: bytes = self._codec.encode(message, self._send_type)
        return b"\0" + len(data).to_bytes(_HEAD - 1, "big") + data

    async def end(self) -> None:
        """Say that there are no more requests."""
        self._check()
        if self._id in self._frames.streams and not self._frames.streams[self._id].ended:
            self._frames.end_stream(self._id)
            self._connection.flush()

    def end_later(self) -> None:
        """Say the same with what is sent next, or soon: the server has ended the call."""
        stream = self._frames.streams.get(self._id)
        if stream is not None and not stream.ended and self._protocol is not None:
            self._frames.end_stream(self._id)
            self._protocol.flush_later()

    def reset_soon(self) -> None:
        """End it, and have the server end it by what is sent next, or when its context ends."""
        if self._id in self._frames.streams and not self._connection.is_closing():
            self._frames.reset_stream(self._id)
            self._is_reset = True

    async def _begin(self) -> None:
        if self._protocol is None:
            connected = await self._until(self._channel.__connect__())
            self._protocol = cast("WideProtocol", connected)
        protocol = self._protocol
        self._joined = protocol.joined
        self._connection = connection = protocol.connection
        self._frames = frames = protocol.frames
        headers = [*self._first, (":path", self._method_name)]
        if self._timer is not None:
            left = max(0.0, self._timer.when() - asyncio.get_running_loop().time())
            headers.append(("grpc-timeout", encode_timeout(left)))
        headers += _LAST_HEADERS
        headers += encode_metadata(self._metadata)
        while True:
            if not connection.write_ready.is_set():
                await self._until(connection.write_ready.wait())
            self._check()
            stream_id = frames.get_next_available_stream_id()
            try:
                frames.send_headers(stream_id, headers)
            except TooManyStreamsError:
                connection.stream_close_waiter.clear()
                await self._until(connection.stream_close_waiter.wait())
            else:
                break
        protocol.processor.register(self, stream_id)
        self._id = stream_id

    def _send_some(self, data: bytes, *, end: bool, last: bool) -> int:
        """Send what the server takes now; how many bytes. The `last` for a while is not held."""
        frames = self._frames
        if not self._connection.write_ready.is_set():
            return 0
        most = min(frames.local_flow_control_window(self._id), len(data))
        if most == len(data) <= frames.max_outbound_frame_size:
            frames.send_data(self._id, data, end_stream=end)
        elif most > 0:
            most = min(most, frames.max_outbound_frame_size)
            frames.send_data(self._id, data[:most], end_stream=end and most == len(data))
        if frame := frames.data_to_send():
            (self._joined.write_last if last else self._joined.write)(frame)
        return max(0, most)

    # What comes

    def came_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """The headers of the answer."""
        self._headers = headers
        self._has_come()

    def came_data(self, data: bytes, size: int) -> None:
        """A part of the answer.

        Args:
            data: that.
            size: bytes of the window that it takes.
        """
        self._came += data
        self._unread += size
        self._has_come()

    def came_trailers(self, headers: Iterable[tuple[str, str]]) -> None:
        """The end of the answer."""
        self._trailers = headers

    def __ended__(self) -> None:
        self._over = True
        self._wake()

    def __terminated__(self, reason: str) -> None:
        self._fail(StreamTerminatedError(reason))

    async def give_each(self, take: Callable[[Res], None]) -> None:
        """Have each message of the answer taken when it comes, up to the end.

        Args:
            take: takes one, in the turn of the event loop in which it came: it must not wait.

        Raises:
            GRPCError: the answer is an error.
        """
        self._take = take
        try:
            while not (self._give() and self._over):
                await self._change()
        finally:
            self._take = None

    def _has_come(self) -> None:
        """See to what has come."""
        if self._take is None or self._error is not None:
            self._wake()
            return
        try:
            self._give()
        except Exception as error:
            self._fail(error)

    def _give(self) -> bool:
        """Give what has come; whether all of that could be given."""
        assert self._take is not None
        if not self._knows_headers():
            return False
        while (message := self._message()) is not None:
            self._take(message)
        self._read(self._unread)
        return True

    async def recv_initial_metadata(self) -> None:
        """Wait for the headers of the answer.

        Raises:
            GRPCError: that is all, and an error.
        """
        while not self._knows_headers():
            await self._change()

    def _knows_headers(self) -> bool:
        """Whether the headers of the answer have come."""
        if self._recv_initial_metadata_done:
            return True
        if self._headers is None:
            if self._over:
                raise GRPCError(Status.UNKNOWN, "the answer has no headers")
            return False
        self._recv_initial_metadata_done = True
        known = dict(self._headers)
        self._raise_for_status(known)
        if "grpc-status" in known:  # grpclib leaves out the type where there is no such call
            self._trailers = self._headers
            self._check_end()
        self._raise_for_content_type(known)
        self.initial_metadata = decode_metadata(cast("Any", self._headers))
        return True

    async def recv_message(self) -> Res | None:
        """The next message of the answer, or `None` at its end.

        Raises:
            GRPCError: the answer is an error.
        """
        await self.recv_initial_metadata()
        while (message := self._message()) is None and not self._over:
            self._read(self._unread)
            await self._change()
        return message

    def _message(self) -> Res | None:
        """The next message, if all of it has come."""
        came = self._came
        size = _HEAD + int.from_bytes(came[1:_HEAD], "big")
        if len(came) < max(size, _HEAD):
            if size > self._largest:
                raise GRPCError(
                    Status.RESOURCE_EXHAUSTED,
                    f"the answer has a message of {size} bytes, more than {self._largest}",
                )
            if self._over and came:
                raise GRPCError(Status.INTERNAL, "the answer ended within a message")
            return None
        if came[0]:
            raise GRPCError(Status.UNIMPLEMENTED, "the answer is compressed")
        with memoryview(came) as view:
            data = bytes(view[_HEAD:size])
        del came[:size]
        self._read(min(size, self._unread))
        return cast("Res", self._codec.decode(data, self._recv_type))

    async def recv_trailing_metadata(self) -> None:
        """Wait for the end of the answer.

        Raises:
            GRPCError: it is an error.
        """
        await self.recv_initial_metadata()
        while not (self._over or self._trailers is self._headers):
            self._read(self._unread)
            await self._change()
        self._check_end()

    def _check_end(self) -> None:
        status, message, details = self._process_grpc_status(dict(self._trailers or ()))
        self._raise_for_grpc_status(status, message, details)

    def _read(self, size: int) -> None:
        """Let the server send as much again."""
        if size:
            self._unread -= size
            self._connection.ack(self._id, size)

    # Waiting, and the end

    def _check(self) -> None:
        if self._error is not None:
            # A new one: the error that is raised has the frames of this call, which have this.
            raise type(self._error)(*self._error.args)

    def _fail(self, error: Exception) -> None:
        self._error = error
        if self._apart is not None:
            self._apart.cancel(error)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _change(self) -> None:
        """Wait until something comes."""
        self._check()
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        self._check()

    async def _until(self, work: Awaitable[T]) -> T:
        """Wait for something else, but no longer than the call may take."""
        self._apart = Wrapper()
        try:
            with self._apart:
                return await work
        finally:
            self._apart = None

    async def cancel(self) -> None:
        """End it, and have the server end it."""
        self._cancel_done = True
        self._reset()

    def _reset(self) -> None:
        frames = self._frames
        under_way = self._id in frames.streams
        if not (under_way or self._is_reset) or self._connection.is_closing():
            return
        if frames.state_machine.state is ConnectionState.CLOSED:
            return
        if under_way:
            frames.reset_stream(self._id)
        if self._connection.write_ready.is_set():
            self._connection.flush()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not self._id:
                return
            if error is None and not (self._cancel_done or self._connection.is_closing()):
                try:
                    await self.recv_trailing_metadata()
                except StreamTerminatedError:
                    self._raise_what_came()
                    raise
            elif isinstance(error, StreamTerminatedError):
                self._raise_what_came()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._id:
                self._release()

    def _raise_what_came(self) -> None:
        """Raise what the server has said before the call broke off, if it is an error."""
        if self._trailers is not None:
            self._check_end()
        elif self._headers is not None:
            known = dict(self._headers)
            self._raise_for_status(known)
            if "grpc-status" in known:
                self._trailers = self._headers
                self._check_end()

    def _release(self) -> None:
        self._reset()
        if self._protocol is not None:
            self._protocol.processor.streams.pop(self._id, None)
        self._connection.stream_close_waiter.set()
        if self._unread and not self._connection.is_closing():
            self._read(self._unread)
