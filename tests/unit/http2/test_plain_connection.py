"""Our connection against `h2`, as either end."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
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

from pytest_sandbox._http2 import PlainConnection
from pytest_sandbox._http2.frames import PREFACE, head

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/Call"), (":authority", "x")]
RESPONSE = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0")]


def plain(*, client: bool) -> H2Connection:
    return cast("H2Connection", PlainConnection(H2Connection, config(client=client), {}))


def whole(*, client: bool) -> H2Connection:
    return H2Connection(config(client=client))


def config(*, client: bool) -> H2Configuration:
    return H2Configuration(client_side=client, header_encoding="utf-8")


def headers_of(event: Any) -> list[tuple[str, str]]:
    return [tuple(header) for header in event.headers]


class Pair:
    """A client and a server, and what each has heard."""

    def __init__(self, client: H2Connection, server: H2Connection) -> None:
        self.client = client
        self.server = server
        self.heard: dict[H2Connection, list[Event]] = {client: [], server: []}
        client.initiate_connection()
        server.initiate_connection()
        self.talk()

    def talk(self, size: int = 2**20) -> None:
        """Let both hear what the other has said, in parts of at most so many bytes."""
        both = [(self.client, self.server), (self.server, self.client)]
        while said := [(to, data) for one, to in both if (data := one.data_to_send())]:
            for to, data in said:
                for start in range(0, len(data), size):
                    self.heard[to] += to.receive_data(data[start : start + size])

    def of(self, end: H2Connection, kind: type[Event]) -> list[Any]:
        return [event for event in self.heard[end] if isinstance(event, kind)]


@pytest.fixture(params=["client", "server", "both"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Two ends, of which one or both are ours."""
    ours = request.param
    client = whole(client=True) if ours == "server" else plain(client=True)
    server = whole(client=False) if ours == "client" else plain(client=False)
    return Pair(client, server)


@pytest.mark.parametrize("size", [1, 7, 2**20])
def test_a_call(pair: Pair, size: int) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    pair.client.send_data(stream, b"question", end_stream=True)
    pair.talk(size)
    assert headers_of(pair.of(pair.server, RequestReceived)[0]) == REQUEST
    pair.server.send_headers(stream, RESPONSE)
    pair.server.send_data(stream, b"answer")
    pair.server.send_headers(stream, TRAILERS, end_stream=True)
    pair.talk(size)

    assert pair.of(pair.server, DataReceived)[0].data == b"question"
    assert headers_of(pair.of(pair.client, ResponseReceived)[0]) == RESPONSE
    assert pair.of(pair.client, DataReceived)[0].data == b"answer"
    assert headers_of(pair.of(pair.client, TrailersReceived)[0]) == TRAILERS
    assert [len(pair.of(end, StreamEnded)) for end in pair.heard] == [1, 1]
    assert all(not end.streams or end.streams[stream].closed for end in pair.heard)
    assert pair.client.get_next_available_stream_id() == stream + 2


def test_many_calls_with_data_of_any_size(pair: Pair) -> None:
    dice = random.Random(1)
    sent: dict[int, bytes] = {}
    for _ in range(20):
        stream = pair.client.get_next_available_stream_id()
        pair.client.send_headers(stream, REQUEST)
        sent[stream] = dice.randbytes(dice.randrange(3000))
        pair.client.send_data(stream, sent[stream])
        pair.client.end_stream(stream)
    pair.talk(777)

    got = dict.fromkeys(sent, b"")
    for event in pair.of(pair.server, DataReceived):
        got[event.stream_id] += event.data
    assert got == sent


def test_more_is_sent_when_what_came_was_read(pair: Pair) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    total, got = 300_000, 0
    for _ in range(100):
        size = min(
            pair.client.local_flow_control_window(stream),
            pair.client.max_outbound_frame_size,
            total,
        )
        if size:
            pair.client.send_data(stream, bytes(size), end_stream=size == total)
            total -= size
        pair.talk()
        for event in pair.of(pair.server, DataReceived):
            got += len(event.data)
            pair.server.acknowledge_received_data(event.flow_controlled_length, stream)
        pair.heard[pair.server].clear()
        pair.talk()

    assert (total, got) == (0, 300_000)
    assert pair.of(pair.client, WindowUpdated)


def test_what_is_not_read_stops_the_sender(pair: Pair) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    while size := min(pair.client.local_flow_control_window(stream), 10_000):
        pair.client.send_data(stream, bytes(size))
    pair.talk()

    assert sum(len(event.data) for event in pair.of(pair.server, DataReceived)) == 65_535
    with pytest.raises(FlowControlError):
        pair.client.send_data(stream, b"x")


def test_windows_that_grow_by_a_setting(pair: Pair) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    pair.talk()
    pair.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**20})
    pair.client.increment_flow_control_window(2**20)
    pair.talk()
    pair.server.send_headers(stream, RESPONSE)
    assert pair.server.local_flow_control_window(stream) == 2**20
    for _ in range(60):
        pair.server.send_data(stream, bytes(16_384))
    pair.talk()

    assert sum(len(event.data) for event in pair.of(pair.client, DataReceived)) == 60 * 16_384


@pytest.mark.parametrize("by", ["client", "server"])
def test_a_call_is_reset(pair: Pair, by: str) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    pair.talk()
    one, other = (pair.client, pair.server) if by == "client" else (pair.server, pair.client)
    other.send_data(stream, b"late") if other is pair.client else other.send_headers(
        stream, RESPONSE
    )
    one.reset_stream(stream, ErrorCodes.CANCEL)
    pair.talk()

    reset = pair.of(other, StreamReset)[0]
    assert (reset.stream_id, reset.error_code) == (stream, ErrorCodes.CANCEL)
    again = pair.client.get_next_available_stream_id()
    pair.client.send_headers(again, REQUEST)
    pair.talk()
    assert len(pair.of(pair.server, RequestReceived)) == 2


def test_frames_that_grow_by_a_setting_which_comes_with_them() -> None:
    pair = Pair(plain(client=True), whole(client=False))
    pair.client.update_settings({SettingCodes.MAX_FRAME_SIZE: 2**20})
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, REQUEST)
    pair.server.receive_data(pair.client.data_to_send())
    pair.server.send_headers(stream, RESPONSE)
    pair.server.send_data(stream, bytes(50_000))
    pair.talk()

    assert len(pair.of(pair.client, DataReceived)[0].data) == 50_000


def test_headers_that_need_several_frames(pair: Pair) -> None:
    headers = [*REQUEST, *((f"x-{number}", "y" * 900) for number in range(40))]
    stream = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream, headers, end_stream=True)
    pair.talk(1000)

    assert headers_of(pair.of(pair.server, RequestReceived)[0]) == headers
    assert pair.of(pair.server, StreamEnded)


def test_a_limit_of_calls(pair: Pair) -> None:
    pair.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    pair.talk()
    for _ in range(2):
        pair.client.send_headers(pair.client.get_next_available_stream_id(), REQUEST)
    with pytest.raises(TooManyStreamsError):
        pair.client.send_headers(pair.client.get_next_available_stream_id(), REQUEST)
    pair.client.reset_stream(1)
    pair.client.send_headers(pair.client.get_next_available_stream_id(), REQUEST)
    pair.talk()

    assert len(pair.of(pair.server, RequestReceived)) == 3


def test_a_ping_and_the_end_of_a_connection(pair: Pair) -> None:
    pair.client.ping(b"12345678")
    pair.talk()
    assert pair.of(pair.client, PingAckReceived)
    goodbye = head(8, 7, 0, 0) + bytes(8)
    pair.heard[pair.server] += pair.server.receive_data(goodbye)

    assert pair.of(pair.server, ConnectionTerminated)


def test_padding_and_priority_are_left_out() -> None:
    client, server = whole(client=True), plain(client=False)
    client.initiate_connection()
    client.send_headers(1, REQUEST, priority_weight=3, priority_depends_on=0)
    client.send_data(1, b"data", pad_length=7)
    events = server.receive_data(client.data_to_send())

    request, data = events[-2:]
    assert headers_of(request) == REQUEST
    assert (cast("DataReceived", data).data, cast("DataReceived", data).flow_controlled_length) == (
        b"data",
        12,
    )


def begun() -> H2Connection:
    """A server on which the call 1 is under way."""
    client, server = whole(client=True), plain(client=False)
    client.initiate_connection()
    client.send_headers(1, REQUEST)
    server.receive_data(client.data_to_send())
    return server


BLOCK = b"\x82"
WRONG = {
    "headers of an even stream": head(1, 1, 4, 2) + BLOCK,
    "headers of an older stream": head(1, 1, 5, 5) + BLOCK + head(1, 1, 5, 3) + BLOCK,
    "headers of no stream": head(1, 1, 4, 0) + BLOCK,
    "trailers that end nothing": head(1, 1, 4, 1) + BLOCK,
    "unreadable headers": head(1, 1, 4, 3) + b"\xff",
    "data of no call": head(1, 0, 0, 7) + b"x",
    "data after the end": head(0, 0, 1, 1) + head(1, 0, 0, 1) + b"x",
    "more data than the window": (head(16_000, 0, 0, 1) + bytes(16_000)) * 5,
    "more padding than frame": head(1, 0, 8, 1) + b"\x09",
    "no padding length": head(0, 0, 8, 1),
    "a window opened by nothing": head(4, 8, 0, 1) + bytes(4),
    "a window too large": head(4, 8, 0, 1) + b"\x7f\xff\xff\xff",
    "a window update of no call": head(4, 8, 0, 9) + b"\0\0\0\1",
    "a short window update": head(1, 8, 0, 1) + b"x",
    "a reset of no call": head(4, 3, 0, 9) + bytes(4),
    "a short reset": head(1, 3, 0, 1) + b"x",
    "a continuation of nothing": head(1, 9, 4, 1) + BLOCK,
    "data within headers": head(1, 1, 0, 3) + BLOCK + head(1, 0, 0, 1) + b"x",
    "endless headers": b"".join(
        [head(16_000, 1, 0, 3) + bytes(16_000), *([head(16_000, 9, 0, 3) + bytes(16_000)] * 5)]
    ),
    "settings of a stream": head(0, 4, 0, 1),
    "settings of the wrong length": head(5, 4, 0, 0) + bytes(5),
    "settings that are acknowledged and changed": head(6, 4, 1, 0) + bytes(6),
    "a frame size that is too small": head(6, 4, 0, 0) + b"\0\5\0\0\x3f\xff",
    "a call that the server promises": head(5, 5, 4, 1) + b"\0\0\0\2" + BLOCK,
    "headers that are no text": head(6, 1, 4, 3) + b"\0\1x\1\xff" + BLOCK,
    "a first window that is too large": head(6, 4, 0, 0) + b"\0\4\x80\0\0\0",
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_http2_is_refused(data: bytes) -> None:
    server = begun()

    with pytest.raises(ProtocolError):
        server.receive_data(data)


def test_a_frame_that_is_too_large_is_refused_before_it_comes() -> None:
    server = begun()

    with pytest.raises(FrameTooLargeError):
        server.receive_data(head(2**20, 0, 0, 1))


def test_what_does_not_begin_as_http2_is_refused() -> None:
    with pytest.raises(ProtocolError):
        plain(client=False).receive_data(b"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n")


def test_nothing_is_sent_on_a_call_that_has_ended() -> None:
    server = begun()
    server.reset_stream(1)

    for act in (
        lambda: server.send_headers(1, RESPONSE),
        lambda: server.send_data(1, b"x"),
        lambda: server.end_stream(1),
        lambda: server.reset_stream(1),
        lambda: server.local_flow_control_window(1),
    ):
        with pytest.raises(StreamClosedError):
            act()


def test_data_of_a_call_that_was_reset_here_takes_no_window_for_ever() -> None:
    server = begun()
    server.reset_stream(1)
    server.data_to_send()
    for _ in range(100):
        server.receive_data(head(16_000, 0, 0, 1) + bytes(16_000))

    assert head(4, 8, 0, 0) in server.data_to_send()


def test_large_frames_of_other_kinds() -> None:
    """As large as this end has allowed, which is more than HTTP/2 begins with."""
    allowed: dict[SettingCodes | int, int] = {SettingCodes.MAX_FRAME_SIZE: 2**20}
    client = PlainConnection(H2Connection, config(client=True), allowed)

    assert client.receive_data(head(20_000, 0xC, 0, 0) + bytes(20_000)) == []  # what is unknown
    client.ping(b"12345678")
    (event,) = client.receive_data(head(20_000, 7, 0, 0) + bytes(20_000))

    assert isinstance(event, ConnectionTerminated)


def test_frames_of_other_kinds_are_ignored() -> None:
    server = begun()
    server.receive_data(head(5, 2, 0, 1) + bytes(4) + b"\1")
    server.receive_data(head(3, 0xEE, 0, 1) + b"abc")
    server.send_headers(1, RESPONSE)

    assert PREFACE not in server.data_to_send()
