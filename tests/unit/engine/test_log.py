"""The output log, against a model that never forgets and by itself."""

import asyncio
import errno
import os
import tracemalloc
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.engine import EngineUnavailable, OutputDropped, OutputLog, StoreFull, _log

T = TypeVar("T")


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def by_then(call: Coroutine[object, object, T]) -> "asyncio.Future[T]":
    return asyncio.ensure_future(call)


async def whole(log: OutputLog, offset: int = 0, limit: int = 1000) -> bytes:
    return b"".join([chunk async for chunk in log.follow(offset, limit)])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@dataclass
class Model:
    """What a log must look like from outside, with a stream that never forgets a byte."""

    capacity: int
    stream: bytes = b""
    waiting: bytes = b""
    had: int = 0
    closed: bool = False

    @property
    def first(self) -> int:
        return max(0, len(self.stream) - self.capacity)

    def append(self, data: bytes) -> None:
        if not self.closed:
            self.waiting += data
            self.move()

    def close(self) -> None:
        self.closed, self.waiting = True, b""

    def read(self, offset: int, limit: int) -> bytes | None:
        """What a reader gets at once; `None` where those bytes are dropped."""
        if offset < self.first:
            return None
        data = self.stream[offset : offset + limit]
        if data:
            self.had = max(self.had, offset + len(data))
            self.move()
        return data

    def move(self) -> None:
        room = self.capacity - (len(self.stream) - max(self.first, self.had))
        self.stream, self.waiting = self.stream + self.waiting[:room], self.waiting[room:]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 120), st.integers(1, 50)),
        st.tuples(st.just("read on"), st.integers(1, 50), st.just(0)),
        st.tuples(st.just("tail"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("close"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Comparison:
    """A log and its model, taken through the same steps."""

    def __init__(self, capacity: int) -> None:
        self.log, self.model = OutputLog(capacity), Model(capacity)
        self.letters = iter(range(10**6))
        self.writer: asyncio.Future[None] | None = None
        self.offset = 0

    async def step(self, name: str, one: int, two: int) -> None:
        if name == "append" and (self.writer is None or self.writer.done()):
            data = bytes(next(self.letters) % 256 for _ in range(one))
            self.model.append(data)
            self.writer = by_then(self.log.append(data))
        elif name == "read":
            await self.read(one, two)
        elif name == "read on":
            self.offset = max(self.offset, self.model.first)
            self.offset += await self.read(self.offset, one)
        elif name == "tail":
            assert self.log.tail(one) == self.model.stream[self.model.first :][-one or 10**6 :]
        elif name == "close":
            self.model.close()
            self.log.close()
        await settle()
        self.compare()

    async def read(self, offset: int, limit: int) -> int:
        expected = self.model.read(offset, limit)
        reader = by_then(self.log.read(offset, limit))
        await settle()
        if expected is None:
            assert isinstance(reader.exception(), OutputDropped)
        elif expected or self.model.closed:
            assert reader.result() == expected
        else:
            assert not reader.done()
            reader.cancel()
        return len(expected or b"")

    def compare(self) -> None:
        log, model = self.log, self.model
        assert (log.first, log.end, log.closed) == (model.first, len(model.stream), model.closed)
        assert (self.writer is None or self.writer.done()) == (not model.waiting)

    async def run(self, steps: list[tuple[str, int, int]]) -> None:
        for step in steps:
            await self.step(*step)
        self.log.close()
        await settle()
        assert self.writer is None or self.writer.done()
        assert await whole(self.log, self.log.first) == self.model.stream[self.model.first :]


@given(capacity=st.integers(1, 60), in_memory=st.sampled_from([0, 1, 20, 1000]), steps=steps)
def test_it_behaves_like_its_model(
    capacity: int, in_memory: int, steps: list[tuple[str, int, int]]
) -> None:
    with patch.object(_log, "IN_MEMORY", in_memory):
        asyncio.run(Comparison(capacity).run(steps))


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=100), max_size=30),
    capacity=st.integers(1, 50),
    limits=st.lists(st.integers(1, 60), min_size=1, max_size=3),
)
def test_a_reader_that_keeps_up_gets_everything(
    pieces: list[bytes], capacity: int, limits: list[int]
) -> None:
    async def scenario() -> None:
        log = OutputLog(capacity)
        reader = by_then(whole(log, limit=limits[0]))
        for piece in pieces:
            await log.append(piece)
        log.close()
        assert await reader == b"".join(pieces)

    asyncio.run(scenario())


@pytest.mark.asyncio
async def test_a_full_log_makes_the_writer_wait_until_something_is_read() -> None:
    log = OutputLog(4)
    writer = by_then(log.append(b"123456"))
    await settle()
    assert (log.end, writer.done()) == (4, False)

    assert await log.read(0, 1) == b"1"
    await settle()
    assert (log.first, log.end, writer.done()) == (1, 5, False)

    assert await log.read(1) == b"2345"
    await writer
    assert await log.read(5) == b"6"


@pytest.mark.asyncio
async def test_a_slow_reader_is_told_what_it_missed() -> None:
    log = OutputLog(4)
    await log.append(b"1234")
    await log.read(0)
    await log.append(b"56")

    with pytest.raises(OutputDropped, match=r"byte 1 .* oldest byte held is 2") as caught:
        await log.read(1)

    assert (caught.value.offset, caught.value.first) == (1, 2)


@pytest.mark.asyncio
async def test_closing_lets_go_of_readers_and_of_a_waiting_writer() -> None:
    log = OutputLog(4)
    readers = [by_then(log.read(4)) for _ in range(3)]
    writer = by_then(log.append(b"12345"))
    await settle()
    assert not writer.done()

    log.close()

    assert await asyncio.gather(*readers) == [b""] * 3
    await writer
    await log.append(b"ignored")
    assert (log.end, log.tail(9)) == (4, b"1234")


@pytest.mark.asyncio
async def test_a_cancelled_reader_or_writer_leaves_nothing_behind() -> None:
    log = OutputLog(2)
    reader, writer = by_then(log.read(5)), by_then(log.append(b"123"))
    await settle()
    reader.cancel()
    writer.cancel()
    await asyncio.gather(reader, writer, return_exceptions=True)

    assert await log.read(0) == b"12"
    await log.append(b"45")
    assert log.tail(2) == b"45"


@pytest.mark.asyncio
async def test_looking_at_the_tail_makes_no_room() -> None:
    log = OutputLog(2)
    writer = by_then(log.append(b"123"))
    await settle()

    assert (log.tail(2), log.tail(1), log.tail(0), log.tail(99)) == (b"12", b"2", b"", b"12")

    await settle()
    assert not writer.done()
    log.close()
    await writer


@pytest.mark.asyncio
async def test_memory_stays_bounded_however_much_is_held() -> None:
    chunk = bytes(1024 * 1024)
    log = OutputLog()
    tracemalloc.start()
    try:
        for _ in range(log.capacity // len(chunk)):
            await log.append(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert log.end - log.first == log.capacity
    assert peak < 2 * len(chunk)
    log.dispose()


@pytest.mark.asyncio
async def test_disposing_releases_the_file_and_drops_what_was_held() -> None:
    before = descriptors()
    log = OutputLog()
    await log.append(bytes(_log.IN_MEMORY + 1))
    assert descriptors() == before + 1

    log.dispose()
    log.dispose()

    assert descriptors() == before
    assert (log.closed, log.first, log.tail(9)) == (True, log.end, b"")
    assert await log.read(log.end) == b""
    with pytest.raises(OutputDropped):
        await log.read(0)


@pytest.mark.asyncio
async def test_the_collector_releases_the_file_without_a_warning() -> None:
    before = descriptors()
    log = OutputLog()
    await log.append(bytes(_log.IN_MEMORY + 1))

    del log

    assert descriptors() == before


@pytest.mark.asyncio
async def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = OutputLog()
    await log.append(bytes(_log.IN_MEMORY + 1))

    assert os.listdir(tmp_path) == []
    log.dispose()


@pytest.mark.asyncio
async def test_without_a_place_for_the_file_readers_are_told_where_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    log = OutputLog()
    await log.append(b"begin")
    waiting = by_then(log.read(5))

    await log.append(bytes(_log.IN_MEMORY))
    await log.append(b"ignored")

    assert await log.read(0) == b"begin"
    for call in (waiting, by_then(log.read(5))):
        with pytest.raises(StoreFull, match="from byte 5 on is lost"):
            await call


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes 100 bytes of each write, and nothing beyond byte 1000 of a file."""

    real = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if offset >= 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:100], offset)

    monkeypatch.setattr("pytest_sandbox._shared.real.os.pwrite", pwrite)


@pytest.mark.asyncio
@pytest.mark.usefixtures("full_disk")
async def test_a_disk_that_fills_up_keeps_what_it_took() -> None:
    data = bytes(range(200)) * 4
    with patch.object(_log, "IN_MEMORY", 10):
        log = OutputLog()
        await log.append(data)
        await log.append(data)

    assert await log.read(0) == data
    assert (log.closed, log.end) == (True, len(data))
    with pytest.raises(StoreFull, match="No space left"):
        await log.read(len(data))
    log.dispose()


@pytest.mark.asyncio
async def test_a_watcher_is_told_of_growth_and_of_the_end() -> None:
    log = OutputLog()
    told: list[int] = []
    unwatch = log.watch(lambda: told.append(log.end))

    await log.append(b"one")
    log.close()
    unwatch()
    log.close()

    assert told == [3, 3]


@pytest.mark.asyncio
async def test_what_was_peeked_makes_room_once_it_is_taken() -> None:
    log = OutputLog(4)
    await log.append(b"1234")
    assert log.peek(0) == b"1234"
    assert log.full

    log.taken(4)

    assert not log.full
    assert log.add(b"56") == b""


@pytest.mark.asyncio
async def test_a_stream_that_failed_is_no_whole_one() -> None:
    """Readers get what there is, and then the error, each time; an end before that counts."""
    log = OutputLog(capacity=10)
    await log.append(b"12345")
    waiting = by_then(log.read(5))
    await settle()

    log.fail(EngineUnavailable("the machine is gone"))

    for call in (waiting, log.read(5), whole(log)):
        with pytest.raises(EngineUnavailable, match="gone"):
            await call
    assert await log.read(0) == b"12345"
    assert (log.had, log.closed, log.incomplete) == (5, True, True)
    assert isinstance(log.failure, EngineUnavailable)
    ended = OutputLog()
    ended.close()
    ended.fail(EngineUnavailable("too late"))
    assert (await ended.read(0), ended.failure) == (b"", None)
