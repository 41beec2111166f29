"""A session: whatever happens to the connections that carry it, its bytes arrive once, in order."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.remote.link import frames
from pytest_sandbox.remote.link.frames import DamagedFrame, LinkFrameReader
from pytest_sandbox.remote.link.session import SessionEnded

from .wires import End, Wire

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 1), st.integers(1, 3_000_000)),
        st.tuples(st.just("deliver"), st.integers(0, 1), st.integers(1, 2_000_000)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@given(_STEPS)
@settings(deadline=None, max_examples=60)
def test_bytes_arrive_once_and_in_order(steps: list[tuple[str, int, int]]) -> None:
    async def run() -> None:
        ends = [End(), End()]
        wire = Wire(ends[0].session, ends[1].session)
        written = [bytearray(), bytearray()]
        for number, (what, end, size) in enumerate(steps):
            if what == "write":
                data = number.to_bytes(1, "big") * size
                ends[end].session.write(data)
                written[end] += data
            elif what == "deliver":
                wire.deliver(end, size)
            else:
                wire.cut()
                wire = Wire(ends[0].session, ends[1].session)
        wire.settle()
        assert ends[1].program.got == written[0]
        assert ends[0].program.got == written[1]
        assert not any(end.endings for end in ends)

    asyncio.run(run())


@given(st.lists(st.integers(0, 3), max_size=8), st.data())
def test_frames_are_read_in_whatever_pieces(kinds: list[int], data: st.DataObject) -> None:
    stream, whole = b"", b""
    said: list[object] = []
    for kind in kinds:
        if kind == 0:
            content = data.draw(st.binary(max_size=20))
            stream += frames.data_head(len(content)) + content
            whole += content
        else:
            stream += [b"", frames.received(7), frames.ping(), frames.end("why")][kind]
            said.append(frames.FrameKind(kind))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    reader, got, heard = LinkFrameReader(), b"", []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for found, content in reader.read(stream[start:end]):
            if found == frames.FrameKind.DATA:
                got += content
            else:
                heard.append(found)
    assert (got, heard) == (whole, said)


@given(st.binary(min_size=5, max_size=40))
def test_whatever_comes_is_a_frame_or_refused(data: bytes) -> None:
    reader = LinkFrameReader()
    with contextlib.suppress(DamagedFrame):
        list(reader.read(data))
    assert len(reader._rest) <= 4096 + 5  # nobody can have it hold more


@pytest.mark.asyncio
async def test_a_writer_waits_while_much_is_not_acknowledged() -> None:
    near, far = End(), End()
    wire = Wire(near.session, far.session)
    for _ in range(17):
        near.session.write(bytes(2**20))
    assert near.program.waits
    wire.deliver(0, 14 * 2**20)
    wire.deliver(1, 10**6)
    assert not near.program.waits
    wire.settle()
    assert len(far.program.got) == 17 * 2**20


@pytest.mark.asyncio
async def test_a_writer_waits_while_there_is_no_connection_for_much() -> None:
    near, far = End(), End()
    Wire(near.session, far.session).cut()
    for _ in range(17):
        near.session.write(bytes(2**20))
    assert near.program.waits
    Wire(near.session, far.session).settle()
    assert not near.program.waits
    assert len(far.program.got) == 17 * 2**20


@pytest.mark.asyncio
async def test_what_was_read_of_a_connection_before_does_not_count() -> None:
    near, far = End(), End()
    before = Wire(near.session, far.session)
    near.session.write(b"twice?")
    later = Wire(near.session, far.session)
    before.ends[1].carrier.data_received(bytes(before.ends[0].outbox))
    later.settle()
    assert far.program.got == b"twice?"


@pytest.mark.asyncio
async def test_the_end_reaches_the_other_side_with_its_reason() -> None:
    near, far = End(), End()
    wire = Wire(near.session, far.session)
    near.session.write(b"last")
    near.session.end("enough")
    wire.deliver(0, 1000)
    await asyncio.sleep(0)
    assert far.program.got == b"last"
    assert near.endings == far.endings == ["enough"]
    assert isinstance(far.program.lost, SessionEnded)
    near.session.end("again")
    near.session.write(b"more")
    assert near.endings == ["enough"]


@pytest.mark.parametrize("sent", [b"\xff" * 9, frames.received(1), frames.data_head(2**31)])
@pytest.mark.asyncio
async def test_a_peer_that_says_what_cannot_be_ends_the_session(sent: bytes) -> None:
    near, far = End(), End()
    wire = Wire(near.session, far.session)
    wire.ends[0].carrier.data_received(sent)
    assert near.endings
    wire.settle()
    assert far.endings == near.endings


@pytest.mark.asyncio
async def test_a_peer_that_took_what_was_never_sent_is_refused() -> None:
    near = End()
    with pytest.raises(DamagedFrame, match="1 bytes came, of 0"):
        near.session.carry_on(Wire(near.session, End().session).ends[0], 1)
