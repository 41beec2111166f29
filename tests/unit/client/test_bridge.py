"""Threads that read or write files on behalf of the loop: in step with it, and never left over."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.client.files.bridge import PIECE, Sink, Source, read_by, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def stuck(*chunks: bytes) -> AsyncIterator[bytes]:
    async for chunk in stream(*chunks):
        yield chunk
    await asyncio.Event().wait()


def workers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "asyncio_" in each.name}


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    """`asyncio.run` waits for worker threads, so one that is stuck would hang these tests."""
    others = workers()
    yield
    assert not workers() - others


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=10),
    sizes=st.lists(st.integers(1, 30), max_size=30),
)
def test_reading_gives_what_was_asked_for(chunks: list[bytes], sizes: list[int]) -> None:
    data = b"".join(chunks)

    def read(source: Source) -> list[bytes]:
        return [source.read(size) for size in sizes]

    parts = asyncio.run(read_by(stream(*chunks), read))

    expected = []
    for size in sizes:
        expected.append(data[:size])
        data = data[size:]
    assert parts == expected


def test_what_is_not_read_is_taken_to_the_end() -> None:
    source = stream(b"one", b"two")

    async def main() -> list[bytes]:
        assert await read_by(source, lambda file: file.read(1)) == b"o"
        return [chunk async for chunk in source]

    assert asyncio.run(main()) == []


def test_an_error_of_the_thread_is_raised() -> None:
    def read(source: Source) -> None:
        source.read(1)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        asyncio.run(read_by(stuck(b"one"), read))


def test_an_error_of_the_stream_is_raised() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        asyncio.run(read_by(broken(), lambda file: file.read(100)))


def test_cancelling_a_reader_lets_its_thread_go() -> None:
    async def main() -> None:
        reading = asyncio.ensure_future(read_by(stuck(b"one"), lambda file: file.read(100)))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())


def test_writing_gives_pieces_in_order() -> None:
    data = bytes(range(256)) * (PIECE // 100)

    def write(sink: Sink) -> None:
        for start in range(0, len(data), 1000):
            sink.write(data[start : start + 1000])

    async def main() -> list[bytes]:
        return [chunk async for chunk in written(write)]

    pieces = asyncio.run(main())

    assert b"".join(pieces) == data
    assert max(map(len, pieces)) < PIECE + 1000


def test_a_writer_does_not_run_ahead() -> None:
    ahead = threading.Semaphore(0)
    count = 0

    def write(sink: Sink) -> None:
        nonlocal count
        for _ in range(10):
            sink.write(bytes(PIECE))
            count += 1
            ahead.release()

    async def main() -> int:
        pieces = written(write)
        await anext(pieces)
        await asyncio.to_thread(ahead.acquire)
        first = count
        assert [len(piece) async for piece in pieces] == [PIECE] * 9
        return first

    assert asyncio.run(main()) <= 3


def test_an_error_of_the_writer_is_raised_behind_what_it_wrote() -> None:
    def write(sink: Sink) -> None:
        sink.write(b"one")
        raise LookupError("on purpose")

    async def main() -> None:
        pieces = written(write)
        assert await anext(pieces) == b"one"
        with pytest.raises(LookupError, match="on purpose"):
            await anext(pieces)

    asyncio.run(main())


def test_giving_up_lets_the_writer_go() -> None:
    def write(sink: Sink) -> None:
        while True:
            sink.write(bytes(PIECE))

    async def main() -> None:
        pieces = written(write)
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(main())
