"""HTTP/2 (RFC 9113) as our own client and server speak it on one machine.

`h2` checks all that a hostile peer could send, and makes objects of each frame, header and state:
half of the time that a call takes. Here frames are read and written as their bytes. What the
connection itself says, few times in its life (pings, its end), is left to `h2`, and so are its
rules about windows. The peer can be any HTTP/2 client or server.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import (
    FlowControlError,
    FrameTooLargeError,
    ProtocolError,
    StreamClosedError,
    TooManyStreamsError,
)
from h2.settings import SettingCodes
from h2.windows import WindowManager
from hpack import HPACKError

from . import frames, settings
from .frames import Frame, FrameReader, head
from .headers import HeaderDecoder, HeaderEncoder
from .plain_stream import PlainStream, opened
from .settings import EndSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from h2.config import H2Configuration
    from h2.connection import H2Connection

E = TypeVar("E", bound=Event)
#: The state of a connection whose end was said by neither end.
_OPEN = SimpleNamespace(state=ConnectionState.CLIENT_OPEN)


class PlainConnection:
    """One end of a connection, with what grpclib uses of `H2Connection`.

    Args:
        kind: of the connection that speaks for itself, if need be.
        config: of that.
        own: settings that differ from what `h2` begins with.

    Attributes:
        streams: the calls under way, by the ids of their streams.
        local_settings: what this end has said of itself.
        remote_settings: what the peer has said of itself.
        max_outbound_frame_size: bytes of a frame that the peer takes.
    """

    max_outbound_frame_size = settings.SMALLEST_FRAME
    _whole: H2Connection | None = None

    def __init__(
        self,
        kind: type[H2Connection],
        config: H2Configuration,
        own: Mapping[SettingCodes | int, int],
    ) -> None:
        self._kind = kind
        self._config = config
        self._is_client = is_client = bool(config.client_side)
        most = kind.DEFAULT_MAX_HEADER_LIST_SIZE
        # Said at once, they need no second frame, and no second answer.
        self.local_settings = settings.first_settings(most, own, client=is_client)
        self.remote_settings = EndSettings()
        self.streams: dict[int, PlainStream] = {}
        self._changes: deque[Mapping[int, int]] = deque()  # of ours, until the peer knows them
        self._encoder = HeaderEncoder()
        self._decoder = HeaderDecoder(most)
        self._outbound = frames.FIRST_WINDOW
        self._inbound = WindowManager(frames.FIRST_WINDOW)
        self._newest = 0  # id of a stream: only clients begin one
        preface = b"" if is_client else frames.PREFACE
        self._reader = FrameReader(self.local_settings.max_frame_size, preface)
        self._unfinished: Frame | None = None
        self._out = bytearray()
        self._events: list[Event] = []

    # The connection itself

    def _speaker(self) -> H2Connection:
        """Speaks for the connection, of which few ever say anything but settings."""
        if self._whole is None:
            self._whole = self._kind(self._config)
            self._whole.initiate_connection()
            if not self._is_client:
                self._whole.receive_data(frames.PREFACE)
            self._whole.clear_outbound_data_buffer()
        self._whole.max_inbound_frame_size = self._reader.largest
        return self._whole

    @property
    def state_machine(self) -> Any:
        """Its `state` says whether the connection is closed."""
        return _OPEN if self._whole is None else self._whole.state_machine

    def initiate_connection(self) -> None:
        """Say what comes first."""
        if self._is_client:
            self._out += frames.PREFACE
        self.update_settings(self.local_settings)

    def update_settings(self, changes: Mapping[SettingCodes | int, int]) -> None:
        """Tell the peer what changes."""
        self._send(frames.SETTINGS, 0, 0, settings.written(changes))
        self._changes.append(dict(changes))

    def increment_flow_control_window(self, increment: int) -> None:
        """Let the peer send so many more bytes, of all calls together."""
        self._inbound.window_opened(increment)
        self._window_update(0, increment)

    def ping(self, data: bytes) -> None:
        """Ask whether the peer is there."""
        self._speaker().ping(data)

    def data_to_send(self) -> bytes:
        """The bytes to be sent, which are forgotten."""
        if self._whole is not None:
            self._out += self._whole.data_to_send()
        out = bytes(self._out)
        self._out.clear()
        return out

    def forget(self) -> None:
        """Let `h2` refer to itself no more: nothing comes from now on."""
        if self._whole is not None:
            vars(self._whole).pop("_frame_dispatch_table", None)

    # Calls: what is sent

    def get_next_available_stream_id(self) -> int:
        """The id of the next call of a client."""
        return self._newest + 2 if self._newest else 1

    def local_flow_control_window(self, stream_id: int) -> int:
        """Bytes that the peer takes now of a call.

        Raises:
            StreamClosedError: it has ended.
        """
        return min(self._outbound, self._stream(stream_id).outbound)

    def send_headers(
        self, stream_id: int, headers: Iterable[tuple[str, str]], end_stream: bool = False
    ) -> None:
        """Begin a call, or its answer, or end that.

        Raises:
            TooManyStreamsError: the peer takes no more calls now.
            StreamClosedError: it has ended.
        """
        if self._is_client and stream_id not in self.streams:
            self._begin(stream_id)
        stream = self._stream(stream_id)
        if stream.ended:
            raise StreamClosedError(stream_id)
        block = self._encoder.encode(headers)
        end = frames.END_STREAM if end_stream else 0
        most = self.max_outbound_frame_size
        if len(block) <= most:
            self._send(frames.HEADERS, end | frames.END_HEADERS, stream_id, block)
        else:
            self._send(frames.HEADERS, end, stream_id, block[:most])
            for start in range(most, len(block), most):
                flags = frames.END_HEADERS if start + most >= len(block) else 0
                part = block[start : start + most]
                self._send(frames.CONTINUATION, flags, stream_id, part)
        if end_stream:
            self._end(stream_id, stream)

    def send_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Send a part of a message.

        Raises:
            FlowControlError, FrameTooLargeError: the peer does not take as much.
            StreamClosedError: the call has ended.
        """
        stream = self._stream(stream_id)
        size = len(data)
        if stream.ended:
            raise StreamClosedError(stream_id)
        if size > self.max_outbound_frame_size:
            raise FrameTooLargeError(f"the peer does not take frames of {size} bytes")
        if size and size > min(self._outbound, stream.outbound):
            raise FlowControlError(f"the peer does not take {size} bytes now")
        self._send(frames.DATA, frames.END_STREAM if end_stream else 0, stream_id, data)
        self._outbound -= size
        stream.outbound -= size
        if end_stream:
            self._end(stream_id, stream)

    def end_stream(self, stream_id: int) -> None:
        """Say that all was sent.

        Raises:
            StreamClosedError: the call has ended.
        """
        self.send_data(stream_id, b"", end_stream=True)

    def reset_stream(self, stream_id: int, error_code: ErrorCodes | int = 0) -> None:
        """End a call at once.

        Raises:
            StreamClosedError: it has ended.
        """
        self._stream(stream_id)
        del self.streams[stream_id]
        self._send(frames.RST_STREAM, 0, stream_id, int(error_code).to_bytes(4, "big"))

    def acknowledge_received_data(self, size: int, stream_id: int) -> None:
        """Let the peer send as much again as was read of a call."""
        if increment := self._inbound.process_bytes(size):
            self._window_update(0, increment)
        stream = self.streams.get(stream_id)
        if stream is None or stream.peer_ended:
            return
        if increment := stream.inbound.process_bytes(size):
            self._window_update(stream_id, increment)

    def _begin(self, stream_id: int) -> None:
        if len(self.streams) >= self.remote_settings.max_concurrent_streams:
            raise TooManyStreamsError(f"the peer takes no more than {len(self.streams)} calls")
        self._add(stream_id)

    def _add(self, stream_id: int) -> None:
        self._newest = stream_id
        self.streams[stream_id] = PlainStream(
            self.remote_settings.initial_window_size, self.local_settings.initial_window_size
        )

    def _stream(self, stream_id: int) -> PlainStream:
        stream = self.streams.get(stream_id)
        if stream is None:
            raise StreamClosedError(stream_id)
        return stream

    def _end(self, stream_id: int, stream: PlainStream) -> None:
        stream.ended = True
        if stream.peer_ended:
            del self.streams[stream_id]

    def _window_update(self, stream_id: int, increment: int) -> None:
        self._send(frames.WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))

    def _send(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        self._out += head(len(payload), kind, flags, stream_id)
        self._out += payload

    # Calls: what comes

    def receive_data(self, data: bytes) -> list[Event]:
        """What bytes from the peer say.

        Raises:
            ProtocolError: they are no HTTP/2.
        """
        events = self._events = []
        for frame in self._reader.read(data):
            if self._unfinished is not None and frame.kind != frames.CONTINUATION:
                raise ProtocolError("headers are not finished")
            if frame.kind == frames.DATA:
                self._data_came(frame)
            elif frame.kind in (frames.HEADERS, frames.CONTINUATION):
                self._headers_came(frame)
            elif frame.kind == frames.WINDOW_UPDATE:
                self._window_update_came(frame)
            elif frame.kind == frames.RST_STREAM:
                self._reset_came(frame)
            elif frame.kind == frames.SETTINGS:
                self._settings_came(frame)
            elif frame.kind in (frames.PING, frames.GOAWAY):
                events += self._speaker().receive_data(frame.whole())
            elif frame.kind == frames.PUSH_PROMISE:
                raise ProtocolError("a call is promised, which neither end allows")
            # All others are to be ignored: section 5.5.
        return events

    def _data_came(self, frame: Frame) -> None:
        size = len(frame.payload)
        self._inbound.window_consumed(size)
        stream = self.streams.get(frame.stream_id)
        if stream is None:
            # Of a call that was reset here, which the peer had not heard when it sent this.
            self._check_is_old(frame)
            self.acknowledge_received_data(size, frame.stream_id)
            return
        if stream.peer_ended:
            raise StreamClosedError(frame.stream_id)
        stream.inbound.window_consumed(size)
        data = frame.content()
        event = _event(DataReceived, frame.stream_id, data=data, flow_controlled_length=size)
        self._events.append(event)
        self._end_if_said(frame, stream)

    def _headers_came(self, frame: Frame) -> None:
        if frame.kind == frames.CONTINUATION:
            before = self._unfinished
            if before is None or before.stream_id != frame.stream_id:
                raise ProtocolError("a frame continues nothing")
            block = before.payload + frame.payload
            flags = before.flags | frame.flags & frames.END_HEADERS
        else:
            block, flags = frame.content(), frame.flags & ~(frames.PADDED | frames.PRIORITY)
        whole = Frame(frames.HEADERS, flags, frame.stream_id, block)
        if flags & frames.END_HEADERS:
            self._unfinished = None
            self._block_came(whole)
        elif len(block) > self._decoder.most:
            raise ProtocolError("there are too many headers")
        else:
            self._unfinished = whole

    def _block_came(self, frame: Frame) -> None:
        try:
            headers = self._decoder.decode(frame.payload)
        except (HPACKError, UnicodeDecodeError) as error:
            raise ProtocolError(f"the headers cannot be read: {error}") from error
        stream = self.streams.get(frame.stream_id)
        kind: type[Any] = TrailersReceived
        if stream is None:
            if self._is_client:
                self._check_is_old(frame)
                return
            stream, kind = self._accept(frame.stream_id), RequestReceived
        elif self._is_client and not stream.answered:
            stream.answered, kind = True, ResponseReceived
        elif not frame.flags & frames.END_STREAM or stream.peer_ended:
            raise ProtocolError("headers come in the middle of a call")
        self._events.append(_event(kind, frame.stream_id, headers=headers))
        self._end_if_said(frame, stream)

    def _accept(self, stream_id: int) -> PlainStream:
        """A new call."""
        if stream_id <= self._newest or not stream_id % 2:
            raise ProtocolError(f"no call can have the stream {stream_id}")
        if len(self.streams) >= self.local_settings.max_concurrent_streams:
            raise TooManyStreamsError(f"there are {len(self.streams)} calls under way")
        self._add(stream_id)
        return self.streams[stream_id]

    def _end_if_said(self, frame: Frame, stream: PlainStream) -> None:
        if not frame.flags & frames.END_STREAM:
            return
        stream.peer_ended = True
        if stream.ended:
            del self.streams[frame.stream_id]
        self._events.append(_event(StreamEnded, frame.stream_id))

    def _window_update_came(self, frame: Frame) -> None:
        increment = _number(frame) & frames.LAST_31
        if not increment:
            raise ProtocolError("a window is opened by nothing")
        if not frame.stream_id:
            self._outbound = opened(self._outbound, increment)
        elif stream := self.streams.get(frame.stream_id):
            stream.outbound = opened(stream.outbound, increment)
        else:
            self._check_is_old(frame)
        self._events.append(_event(WindowUpdated, frame.stream_id, delta=increment))

    def _reset_came(self, frame: Frame) -> None:
        self._check_is_old(frame)
        if self.streams.pop(frame.stream_id, None) is not None:
            code = _error_code(_number(frame))
            self._events.append(
                _event(StreamReset, frame.stream_id, error_code=code, remote_reset=True)
            )

    def _check_is_old(self, frame: Frame) -> None:
        """Refuse a frame of a call that has not begun: one that has ended is forgotten."""
        if not 0 < frame.stream_id <= self._newest:
            raise ProtocolError(f"there was no call on the stream {frame.stream_id}")

    def _settings_came(self, frame: Frame) -> None:
        if frame.stream_id:
            raise ProtocolError("the settings of a connection come with a stream")
        if frame.flags & frames.ACK:
            if frame.payload:
                raise ProtocolError("settings are acknowledged and changed at once")
            if self._changes:
                self._local_changed(self._changes.popleft())
            return
        said = settings.read(frame.payload)
        self._remote_changed(said)
        self._send(frames.SETTINGS, frames.ACK, 0, b"")
        event = RemoteSettingsChanged.__new__(RemoteSettingsChanged)
        event.changed_settings = cast("Any", said)  # grpclib looks for codes only
        self._events.append(event)

    def _remote_changed(self, said: Mapping[int, int]) -> None:
        before = self.remote_settings.initial_window_size
        self.remote_settings.update(said)
        self.max_outbound_frame_size = self.remote_settings.max_frame_size
        if SettingCodes.HEADER_TABLE_SIZE in said:
            self._encoder.shrink_table(said[SettingCodes.HEADER_TABLE_SIZE])
        more = self.remote_settings.initial_window_size - before
        for stream in self.streams.values():
            stream.outbound = opened(stream.outbound, more)

    def _local_changed(self, said: Mapping[int, int]) -> None:
        before = self.local_settings.initial_window_size
        self.local_settings.update(said)
        self._reader.largest = self.local_settings.max_frame_size
        more = self.local_settings.initial_window_size - before
        for stream in self.streams.values():
            stream.inbound.window_opened(more)


def _event(kind: type[E], stream_id: int, **attributes: Any) -> E:
    """An event, made in the one way that all versions of h2 have."""
    event = kind.__new__(kind)
    vars(event).update(attributes, stream_id=stream_id)
    return event


def _number(frame: Frame) -> int:
    if len(frame.payload) != 4:
        raise ProtocolError("a frame has the wrong length")
    return int.from_bytes(frame.payload, "big")


def _error_code(code: int) -> ErrorCodes | int:
    try:
        return ErrorCodes(code)
    except ValueError:
        return code
