"""Our connection beside one of `h2`: both hear the same from a peer, and take the same for it."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import PriorityUpdated, SettingsAcknowledged
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox._http2 import PlainConnection
from pytest_sandbox._http2.frames import PREFACE, head

if TYPE_CHECKING:
    from pytest_sandbox._http2.plain_stream import PlainStream

#: How long an example takes says nothing on a busy machine.
calm = settings(deadline=None, max_examples=200)
REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/Call"), (":authority", "x")]
RESPONSE = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0")]
TABLE = SettingCodes.HEADER_TABLE_SIZE
#: What h2 tells besides, which nobody looks at.
UNHEARD = (SettingsAcknowledged, PriorityUpdated)
WHAT = ["begin", "data", "end", "reset", "read", "settings", "ping", "more"]
OFTEN = [9, 12, 5, 2, 6, 2, 1, 3]
SIZES = [0, 1, 200, 5000, 16_384, 20_000]
SAID = [
    TABLE,
    SettingCodes.INITIAL_WINDOW_SIZE,
    SettingCodes.MAX_FRAME_SIZE,
    SettingCodes.MAX_CONCURRENT_STREAMS,
]
LEAST = {
    SettingCodes.INITIAL_WINDOW_SIZE: 65_535,
    SettingCodes.MAX_FRAME_SIZE: 16_384,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1000,
}


def config(*, client: bool) -> H2Configuration:
    return H2Configuration(client_side=client, header_encoding="utf-8")


def told(events: list[Any]) -> list[Any]:
    """What events say."""
    return [
        (
            type(event).__name__,
            getattr(event, "stream_id", None),
            [tuple(header) for header in getattr(event, "headers", None) or ()],
            getattr(event, "data", None),
            getattr(event, "flow_controlled_length", None),
            getattr(event, "delta", None),
            getattr(event, "error_code", None),
            sorted(getattr(event, "changed_settings", ())),
        )
        for event in events
        if not isinstance(event, UNHEARD)
    ]


class Twins:
    """A peer, and two connections that hear it: ours, which answers, and one of `h2`."""

    def __init__(self, *, client: bool) -> None:
        self.client = client
        self.peer = H2Connection(config(client=not client))
        self.ours = cast("H2Connection", PlainConnection(H2Connection, config(client=client), {}))
        self.theirs = H2Connection(config(client=client))
        self.twins = [self.ours, self.theirs]
        self.answered: set[int] = set()
        self.ended: set[tuple[int, bool]] = set()  # streams, and whether by who began them
        self.steps: Counter[str] = Counter()
        for each in (self.peer, *self.twins):
            each.initiate_connection()
        self.talk()

    def talk(self) -> None:
        """Let all hear what was said."""
        while said := (self.peer.data_to_send(), self.ours.data_to_send()):
            self.theirs.data_to_send()
            if not any(said):
                break
            ours, theirs = [told(twin.receive_data(said[0])) for twin in self.twins]
            assert ours == theirs
            self.peer.receive_data(said[1])
        assert self.ours.max_outbound_frame_size == self.theirs.max_outbound_frame_size
        for stream in self.ours.streams:
            windows = [twin.local_flow_control_window(stream) for twin in self.twins]
            assert windows[0] == windows[1]
            inbound = cast("PlainStream", self.ours.streams[stream]).inbound.current_window_size
            assert inbound == self.theirs.streams[stream].inbound_flow_control_window

    def act(self, dice: random.Random) -> None:
        """One step of the peer, or of both twins, that the rules allow; or none."""
        ends = dice.choice([self.twins, [self.peer]])
        begins = self.client == (ends is self.twins)
        what, size = dice.choices(WHAT, OFTEN)[0], dice.choice(SIZES)
        stream = self.stream_for(what, ends, dice, begins=begins)
        if stream is None:
            return
        if what == "data":
            size = min(size, ends[-1].max_outbound_frame_size)
            size = max(0, min(size, ends[-1].local_flow_control_window(stream)))
        said = self.settings(dice, of_twins=ends is self.twins)
        self.steps[what] += 1
        for end in ends:
            self.do(end, what, stream, size, said, begins=begins)
        if what in ("end", "reset"):
            self.ended.add((stream, begins))
        if what == "begin" and not begins:
            self.answered.add(stream)

    def stream_for(
        self, what: str, ends: list[H2Connection], dice: random.Random, *, begins: bool
    ) -> int | None:
        """With what these may do it; `None` if with nothing."""
        if what in ("settings", "ping", "more"):
            return 0
        if what == "begin" and begins:  # h2 allows 100 at first
            full = len(self.ours.streams) >= 90
            return None if full else ends[-1].get_next_available_stream_id()
        known = [set(end.streams) - {one for one, by in self.ended if by == begins} for end in ends]
        open_ = sorted(set.intersection(*known) & set(self.ours.streams))
        if not begins and what in ("begin", "data"):  # headers come before data, and once
            open_ = [one for one in open_ if (one in self.answered) == (what == "data")]
        return dice.choice(open_) if open_ else None

    def settings(self, dice: random.Random, *, of_twins: bool) -> dict[SettingCodes | int, int]:
        """Some that neither end disobeys, though it hears of them late."""
        some = {code: dice.choice([0, 100, 20_000, 70_000]) for code in dice.sample(SAID, 2)}
        if of_twins:  # which never say how much of headers they remember
            some.pop(TABLE, None)
        for code, least in LEAST.items():
            if code in some:
                some[code] += least
        if SettingCodes.INITIAL_WINDOW_SIZE in some:  # h2 takes no empty data in a negative window
            some[SettingCodes.INITIAL_WINDOW_SIZE] += 70_000 * self.steps["settings"]
        return cast("dict[SettingCodes | int, int]", some)

    def do(
        self, end: H2Connection, what: str, stream: int, size: int, said: Any, *, begins: bool
    ) -> None:
        if what == "begin":
            extra = [("x-long", "y" * size)] if begins and size <= 5000 else []
            end.send_headers(stream, [*REQUEST, *extra] if begins else RESPONSE)
        elif what == "data":
            end.send_data(stream, b"x" * size)
        elif what == "end" and begins:
            end.end_stream(stream)
        elif what == "end":
            headers = TRAILERS if stream in self.answered else [*RESPONSE, *TRAILERS]
            end.send_headers(stream, headers, end_stream=True)
        elif what == "reset":
            end.reset_stream(stream, 8)
        elif what == "settings":
            end.update_settings(said)
        elif what == "ping":
            end.ping(b"12345678")
        elif what == "more":
            end.increment_flow_control_window(size + 1)
        elif end is not self.peer:
            end.acknowledge_received_data(min(size, 100), stream)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("client", [False, True])
def test_both_hear_and_take_the_same(client: bool, seed: int) -> None:
    dice = random.Random(seed)
    twins = Twins(client=client)
    for _ in range(200):
        twins.act(dice)
        if dice.random() < 0.7:
            twins.talk()

    assert set(twins.steps) == set(WHAT)


frame = st.builds(
    lambda kind, flags, stream, payload: head(len(payload), kind, flags, stream) + payload,
    st.integers(0, 12),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]) | st.integers(0, 255),
    st.integers(0, 6),
    st.binary(max_size=30) | st.integers(0, 2**32 - 1).map(lambda word: word.to_bytes(4, "big")),
)


@calm
@given(st.booleans(), st.lists(frame, min_size=1, max_size=8))
def test_whatever_comes_is_heard_or_refused(client: bool, frames: list[bytes]) -> None:
    """And never surprises, nor does what is sent then."""
    end = PlainConnection(H2Connection, config(client=client), {})
    end.initiate_connection()
    if client:
        end.send_headers(1, REQUEST)
    try:
        for each in [b"" if client else PREFACE, *frames]:
            end.receive_data(each)
    except ProtocolError:
        return
    for stream in list(end.streams):
        end.local_flow_control_window(stream)
        end.reset_stream(stream)
    assert end.data_to_send()
