"""The client's end of a connection, over which servers send large frames.

h2 would take this setting only once a server has acknowledged it, and so refuse what a server sends
right after its acknowledgement. Nothing was sent before, so what HTTP/2 and grpclib begin with can
be replaced; both ends then know everything in the first round trip. The frames themselves are the
work of `PlainConnection`: all our servers are processes of this user.

Where a server has no room for more, grpclib does not end what waits for that room when the
connection is lost: headers of a call, and messages. Such a call would wait for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, cast

from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import Connection, EventsProcessor, H2Protocol
from h2.connection import H2Connection
from h2.settings import SettingCodes

from pytest_sandbox._http2 import FIRST_WINDOW, JoinedWrites, OneBuffer, PlainConnection

if TYPE_CHECKING:
    from asyncio import BaseTransport, Transport

    from h2.events import DataReceived, ResponseReceived, TrailersReceived

#: Bytes of a frame that a server may send.
FRAME = 1024 * 1024
#: Seconds that what nobody waits for may wait for something else to be sent with.
_LATER = 0.02


class WideProtocol(H2Protocol, OneBuffer):
    """Does what grpclib does, with a connection of our own.

    Attributes:
        frames: makes and reads frames.
        joined: where they are written.
    """

    processor: AnswersProcessor
    frames: PlainConnection
    joined: JoinedWrites
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin a connection."""
        self.frames = frames = PlainConnection(
            H2Connection,
            self.h2_config,
            {
                SettingCodes.INITIAL_WINDOW_SIZE: self.config.http2_stream_window_size,
                SettingCodes.MAX_FRAME_SIZE: FRAME,
            },
        )
        frames.initiate_connection()
        if more := self.config.http2_connection_window_size - FIRST_WINDOW:
            frames.increment_flow_control_window(more)
        self.joined = joined = JoinedWrites(cast("Transport", transport))
        self.connection = Connection(cast("H2Connection", frames), joined, config=self.config)
        self.connection.flush()
        self.connection.initialize()
        self.processor = AnswersProcessor(self.handler, self.connection)

    def flush_later(self) -> None:
        """Send what there is with what is sent next, or soon."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if not self.connection.is_closing():
            self.connection.flush()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End all calls, and those that wait to be sent."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self.processor.register = _refuse  # type: ignore[method-assign]
        self.connection.write_ready.set()
        self.connection.stream_close_waiter.set()
        self.frames.forget()


def _refuse(stream: Any, stream_id: int = 0) -> NoReturn:
    raise StreamTerminatedError("Connection lost")


class AnswersProcessor(EventsProcessor):
    """Gives what comes to the calls of `CallStream`."""

    streams: dict[int, Any]

    def register(self, stream: Any, stream_id: int = 0) -> Any:
        """Begin to give a call what comes for it."""
        self.streams[stream_id] = stream

    def process_response_received(self, event: ResponseReceived) -> None:
        """Headers of an answer."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.came_headers(event.headers)

    def process_data_received(self, event: DataReceived) -> None:
        """Data of an answer."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.came_data(event.data, event.flow_controlled_length)
        else:
            self.connection.ack(event.stream_id, event.flow_controlled_length)

    def process_trailers_received(self, event: TrailersReceived) -> None:
        """The end of an answer."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.came_trailers(event.headers)
