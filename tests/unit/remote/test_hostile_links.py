"""Peers that break the rules below the calls: an error in time, and no memory without end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._proto.engine_grpc import EngineStub
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.remote.link import frames, session
from pytest_sandbox.remote.link.session import Session
from pytest_sandbox.remote.link.timing import Timing
from pytest_sandbox.remote.near.channel import FarChannel
from pytest_sandbox.remote.near.engine import RemoteEngine

from .far_away import LongWay
from .wires import End, Program, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpclib.protocol import H2Protocol

MIB = 2**20


@pytest.mark.asyncio
async def test_a_peer_that_reads_nothing_gets_one_answer_to_all_its_pings() -> None:
    near, far = End(), End()
    wire = Wire(near.session, far.session)
    end = wire.ends[0]
    near.session.carrier_full(end, full=True)  # as its transport says when nobody reads
    end.carrier.data_received(frames.ping() * 100_000)
    assert not end.outbox
    near.session.carrier_full(end, full=False)
    assert end.outbox == frames.received(0)
    end.carrier.data_received(frames.ping())
    assert end.outbox == frames.received(0) * 2


@pytest.mark.asyncio
async def test_a_protocol_that_is_surprised_ends_the_session() -> None:
    class Surprised(Program):
        def data_received(self, data: bytes) -> None:
            raise NotImplementedError("a frame of a kind that there is not")

    near, far = End(), End()
    near.session._protocol = Surprised()
    wire = Wire(near.session, far.session)
    far.session.write(b"boo")
    wire.settle()
    assert near.endings == far.endings
    assert "cannot be worked on: NotImplementedError" in near.endings[0]


class Raw:
    """A near side, and a far side that says what a test likes in the place of HTTP/2."""

    def __init__(self) -> None:
        self.far = End()
        self.ended: list[str] = []
        self.connected = asyncio.Event()
        self.channel = FarChannel(self._connect)
        self.stub = EngineStub(self.channel)

    async def _connect(self, make: Any) -> H2Protocol:
        protocol: H2Protocol = make()
        near = Session(protocol, Timing(), lambda _: None, self.ended.append)
        near.begin()
        self.near = near
        self.wire = Wire(near, self.far.session)
        self.connected.set()
        return protocol

    async def says(self, data: bytes) -> None:
        """What the far side says; nothing of this side's arrives there."""
        self.far.session.write(data)
        self.wire.deliver(1, 2**30)
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[Raw]:
    raw = Raw()
    yield raw
    raw.channel.close()


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


#: Kinds of frames: RFC 9113, section 6.
DATA, HEADERS, RESET, SETTINGS, PUSH, PING, AWAY, WINDOW, MORE = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_HEADERS = 4
#: `:status: 200`, as HPACK has it.
OK = b"\x88"


@pytest.mark.parametrize(
    "said",
    [
        frame(DATA, 99, b"x"),
        frame(HEADERS, 99, OK, END_HEADERS),
        frame(HEADERS, 2, OK, END_HEADERS),
        frame(PUSH, 1, (2).to_bytes(4, "big") + OK, END_HEADERS),
        frame(RESET, 99, bytes(4)),
        frame(WINDOW, 0, b"\x7f\xff\xff\xff"),
        frame(WINDOW, 1, b"\x7f\xff\xff\xff"),
        frame(SETTINGS, 0, b"\0\4\xff\xff\xff\xff"),
        frame(SETTINGS, 0, b"\0\5\0\0\0\0"),
        frame(HEADERS, 1, OK) + frame(MORE, 1, b"\0" * 16_000) * 10,
        frame(MORE, 1, OK, END_HEADERS),
        frame(HEADERS, 1, b"\xff" * 20, END_HEADERS),
        frame(DATA, 1)[:3] + b"\0" * 6 + b"x",
        b"\xff\xff\xff" + b"\0" * 6,
        frame(AWAY, 0, bytes(8)),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
    ids=[
        "data of a call never made",
        "an answer to a call never made",
        "a call of its own",
        "a promise",
        "the end of a call never made",
        "a window that is too large",
        "a window of a call that is too large",
        "a setting that cannot be",
        "frames of no size",
        "headers without end",
        "the rest of no headers",
        "headers that are none",
        "data without a call",
        "a giant frame",
        "good-bye",
        "something else",
    ],
)
@pytest.mark.asyncio
async def test_a_far_side_that_breaks_the_rules_of_http2(raw: Raw, said: bytes) -> None:
    call = asyncio.ensure_future(raw.stub.Start(pb.StartRequest()))
    await raw.connected.wait()
    await raw.says(frame(SETTINGS, 0))
    await raw.says(said)

    with pytest.raises(StreamTerminatedError):
        await asyncio.wait_for(call, 20)

    assert len(raw.ended) == 1


@pytest.mark.parametrize(
    "said",
    [frame(0xA, 0, b"another service"), frame(0x77, 0)],
    ids=["of an extension", "that nobody knows"],
)
@pytest.mark.asyncio
async def test_frames_that_are_to_be_ignored(raw: Raw, said: bytes) -> None:
    """RFC 9113, section 5.5; they are kept nowhere."""
    call = asyncio.ensure_future(raw.stub.Start(pb.StartRequest()))
    await raw.connected.wait()
    await raw.says(frame(SETTINGS, 0))
    for _ in range(10):
        await raw.says(said * 100)
    assert not raw.ended
    assert not call.done()
    raw.near.end("it was closed")

    with pytest.raises(StreamTerminatedError):
        await asyncio.wait_for(call, 20)


@pytest.mark.asyncio
async def test_a_far_side_that_asks_for_answers_and_takes_none(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_TOO_MUCH", 100_000)
    call = asyncio.ensure_future(raw.stub.Start(pb.StartRequest()))
    await raw.connected.wait()
    await raw.says(frame(SETTINGS, 0))
    for _ in range(100):
        await raw.says(frame(PING, 0, bytes(8)) * 100)

    with pytest.raises(Exception, match="Connection lost"):
        await asyncio.wait_for(call, 20)

    assert raw.ended == ["the other side asks for much, and takes nothing of it"]


@pytest.mark.asyncio
async def test_output_that_is_on_its_way_does_not_end_the_session() -> None:
    """Nor does an upload meanwhile, which asks for an answer with each part."""
    way = LongWay()
    engine = RemoteEngine(way.meet)
    starting = asyncio.ensure_future(engine.start())
    await way.connected.wait()
    await way.round_trips(asyncio.wait_for(starting, 30))
    task, _ = await way.round_trips(engine.create(TaskSpec()))
    spec = ProcessSpec(("head", "-c", str(30 * MIB), "/dev/zero"))
    processes = [(await way.round_trips(task.exec(spec)))[0] for _ in range(3)]
    file, _ = await way.round_trips(task.files.open("/root/file", 0o102))
    held = way.ends[1]
    waiting = 0
    while waiting < 6 * MIB:  # of the output, of which nothing arrives
        await asyncio.sleep(0)
        waiting = held._end - held._first
    writing = asyncio.ensure_future(file.pwrite(0, bytes(4 * MIB)))
    for _ in range(200):
        await asyncio.sleep(0)
        way.wire.deliver(0, MIB)

    _, _ = await way.round_trips(asyncio.wait_for(writing, 30))
    for process in processes:
        assert (await way.round_trips(read_all(process)))[0] == 30 * MIB
    await way.close()


async def read_all(process: Any) -> int:
    return sum([len(part) async for part in process.stdout.follow()])
