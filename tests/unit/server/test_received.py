"""What a connection holds of what it receives, whatever frames that comes in."""

import asyncio
import gc
import logging
import struct
import tracemalloc
from pathlib import Path

import pytest
from grpclib.protocol import Connection
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.server.rpc.received import ReceivedData

from .harness import UNIX
from .raw import served

#: A listener that checks all as one on TCP does.
H2 = ListenerConfig("h2")
EITHER = pytest.mark.parametrize("config", [UNIX, H2], ids=["plain", "h2"])


def frame(kind: int, payload: bytes) -> bytes:
    """A frame of the whole connection: RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, 0, 0, 0, 0, 0)) + payload


@given(
    frames=st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 5))),
    sizes=st.lists(st.integers(0, 30)),
    ended=st.booleans(),
)
def test_data_is_read_as_it_came_and_its_window_opens_once(
    frames: list[tuple[bytes, int]], sizes: list[int], ended: bool
) -> None:
    acked: list[int] = []
    data = ReceivedData(acked.append)
    for content, padding in frames:
        data.add(content, len(content) + padding)
    if ended:
        data.eof()
    left = b"".join(content for content, _ in frames)

    async def read() -> None:
        nonlocal left
        for size in sizes:
            if size > len(left):
                break
            assert await data.read(size) == left[:size]
            left = left[size:]
        if ended:
            assert await data.read(len(left)) == left
            assert await data.read(1) == b""

    asyncio.run(read())

    assert sum(acked) + data.unacked_size() == sum(len(each) + more for each, more in frames)
    assert data.unacked_size() == 0


@pytest.mark.asyncio
async def test_a_reader_waits_for_data_and_a_cut_message_is_an_error() -> None:
    data = ReceivedData(lambda _: None)
    reading = asyncio.ensure_future(data.read(4))
    for byte in b"abc":
        await asyncio.sleep(0)
        data.add(bytes((byte,)), 1)
    assert not reading.done()
    data.eof()

    with pytest.raises(AssertionError):
        await reading


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "one byte"])
def test_many_small_frames_take_little_memory(content: bytes) -> None:
    data = ReceivedData(lambda _: None)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100_000):
            data.add(content, len(content))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 300_000


@EITHER
@pytest.mark.asyncio
async def test_a_client_that_sets_what_does_not_exist_is_given_up(
    config: ListenerConfig, tmp_path: Path
) -> None:
    async with served(tmp_path / "socket", config) as listener:
        raw = await listener.connect()
        raw.writer.write(frame(4, b"".join(struct.pack(">HI", 1000 + n, 1) for n in range(2700))))

        assert await asyncio.wait_for(raw.closed(), 30)


@pytest.mark.asyncio
async def test_headers_are_compressed_with_as_much_memory_as_usual(tmp_path: Path) -> None:
    async with served(tmp_path / "socket", H2) as listener:
        raw = await listener.connect()
        raw.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31 - 1})
        raw.flush()
        await raw.answered()
        for number in range(100):
            status, message = await raw.status(raw.open(f"/{number}" + "x" * 200))
            assert f"/{number}x" in message or f"{number}x" in message, status

        gc.collect()
        (encoder,) = (
            each._connection.encoder
            for each in gc.get_objects()
            if isinstance(each, Connection)
            and not each.is_closing()
            and each._transport.get_extra_info("sockname") == str(tmp_path / "socket")
        )
        assert encoder.header_table_size == 4096
        assert encoder.header_table._current_size <= 4096


@EITHER
@pytest.mark.asyncio
async def test_frames_of_unknown_types_are_ignored(config: ListenerConfig, tmp_path: Path) -> None:
    async with served(tmp_path / "socket", config) as listener:
        raw = await listener.connect()
        raw.writer.write(frame(0xEE, b"hello") * 10_000)

        await asyncio.wait_for(raw.answered(), 30)


@EITHER
@pytest.mark.asyncio
async def test_a_connection_that_surprises_h2_is_closed_and_logged_in_a_line(
    config: ListenerConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path / "socket", config) as listener:
        raw = await listener.connect()
        await raw.answered()
        with caplog.at_level(logging.WARNING):
            raw.open("/x", {"x-not-ascii": "\xe9"})

            assert await asyncio.wait_for(raw.closed(), 30)
        if config is UNIX:  # does not surprise our own connection, which ends by the rules
            assert not caplog.records
            return
        (record,) = caplog.records
        assert "cannot be read" in record.getMessage()
        assert record.exc_info is None
