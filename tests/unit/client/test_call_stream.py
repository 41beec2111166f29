"""Calls over a connection: what is sent, what comes, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Server

from pytest_sandbox._proto.apps_pb2 import AppListRequest
from pytest_sandbox.client.transport.channels import WINDOW, UnixServer
from pytest_sandbox.client.transport.wide_channel import WideChannel

pytestmark = pytest.mark.asyncio

PATH = "/test/Call"
Serve = Callable[[Any], Awaitable[None]]


class Service:
    """A service with one call."""

    def __init__(self, serve: Serve, cardinality: Cardinality) -> None:
        self._handler = Handler(serve, cardinality, AppListRequest, AppListRequest)

    def __mapping__(self) -> dict[str, Handler]:
        return {PATH: self._handler}


@asynccontextmanager
async def call(
    folder: Path, serve: Serve, cardinality: Cardinality, timeout: float | None = None
) -> AsyncIterator[Any]:
    """A call that a server serves in this way."""
    server = Server([Service(serve, cardinality)])
    await server.start(path=str(folder / "socket"))
    channel = UnixServer(str(folder / "socket")).channel()
    try:
        async with channel.request(
            PATH, cardinality, AppListRequest, AppListRequest, timeout=timeout
        ) as stream:
            yield stream
    finally:
        channel.close()
        server.close()
        await server.wait_closed()


def message(size: int) -> AppListRequest:
    return AppListRequest(environment_name="x" * size)


async def test_large_messages_in_both_directions(tmp_path: Path) -> None:
    """Larger than frames, than what is written at once, and than windows."""

    async def echo(stream: Any) -> None:
        await stream.send_message(await stream.recv_message())

    async with call(tmp_path, echo, Cardinality.UNARY_UNARY) as stream:
        await stream.send_message(message(WINDOW + 9))
        assert len((await stream.recv_message()).environment_name) == WINDOW + 9


async def test_many_messages_of_one_call(tmp_path: Path) -> None:
    async def echo(stream: Any) -> None:
        async for each in stream:
            await stream.send_message(each)
            await stream.send_message(each)

    async with call(tmp_path, echo, Cardinality.STREAM_STREAM) as stream:
        for size in (1, 0, 70_000, 3):
            await stream.send_message(message(size))
        await stream.end()
        sizes = []
        while (each := await stream.recv_message()) is not None:
            sizes.append(len(each.environment_name))
    assert sizes == [1, 1, 0, 0, 70_000, 70_000, 3, 3]


async def test_what_is_not_read_stays_at_the_server(tmp_path: Path) -> None:
    size, sent = 2**20, 0

    async def flood(stream: Any) -> None:
        nonlocal sent
        await stream.recv_message()
        while sent < 4 * WINDOW // size:
            await stream.send_message(message(size))
            sent += 1

    async with call(tmp_path, flood, Cardinality.UNARY_STREAM) as stream:
        await stream.send_message(message(0))
        for read in range(1, 4):
            assert await stream.recv_message() is not None
            seen = -1
            while seen != sent:  # until the server can send nothing more
                seen = sent
                for _ in range(100):
                    await asyncio.sleep(0)
                await asyncio.sleep(0.01)
            assert read <= sent <= read + WINDOW // size
        for _ in range(4 * WINDOW // size - 3):
            assert await stream.recv_message() is not None
        assert await stream.recv_message() is None


async def test_a_call_that_takes_too_long_is_reset(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def stall(stream: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def wait() -> None:
        async with call(tmp_path, stall, Cardinality.UNARY_UNARY, timeout=0.05) as stream:
            await stream.send_message(message(0))
            await stream.recv_message()

    with pytest.raises(asyncio.TimeoutError):
        await wait()
    await asyncio.wait_for(ended.wait(), 30)


async def test_the_time_of_a_call_counts_while_it_connects() -> None:
    class Unreachable(WideChannel):
        async def _create_connection(self) -> Any:
            await asyncio.Event().wait()

    stream = Unreachable(path="nowhere").request(
        PATH, Cardinality.UNARY_UNARY, AppListRequest, AppListRequest, timeout=0.01
    )
    async with stream:
        with pytest.raises(asyncio.TimeoutError):
            await stream.send_message(message(0))


async def test_messages_that_came_are_given_though_the_connection_is_lost(tmp_path: Path) -> None:
    async def break_off(stream: Any) -> None:
        for size in (1, 2):
            await stream.send_message(message(size))
        await asyncio.sleep(0)
        stream._stream._transport.close()
        await asyncio.Event().wait()

    sizes: list[int] = []

    async def read() -> None:
        async with call(tmp_path, break_off, Cardinality.UNARY_STREAM) as stream:
            await stream.send_message(message(0))
            await stream.recv_initial_metadata()
            await asyncio.sleep(0.05)
            while True:
                sizes.append(len((await stream.recv_message()).environment_name))

    with pytest.raises(StreamTerminatedError, match="Connection lost"):
        await read()
    assert sizes == [1, 2]


async def test_each_message_is_taken_in_the_turn_in_which_it_comes(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def talk(stream: Any) -> None:
        for sizes in ((1, 0), (200_000, 3)):
            for size in sizes:
                await stream.send_message(message(size))
            await more.wait()

    taken: list[int] = []

    def take(each: AppListRequest) -> None:
        assert asyncio.current_task() is None  # the callback of the connection
        taken.append(len(each.environment_name))
        if len(taken) == 2:
            more.set()

    async with call(tmp_path, talk, Cardinality.UNARY_STREAM) as stream:
        await stream.send_message(message(0))
        await stream.give_each(take)
    assert taken == [1, 0, 200_000, 3]


async def test_what_had_come_is_taken_though_the_call_fails(tmp_path: Path) -> None:
    sent = asyncio.Event()

    async def fail(stream: Any) -> None:
        await stream.send_message(message(1))
        await stream.send_message(message(2))
        sent.set()
        raise GRPCError(Status.DATA_LOSS, "lost")

    taken: list[int] = []

    async def give() -> None:
        async with call(tmp_path, fail, Cardinality.UNARY_STREAM) as stream:
            await stream.send_message(message(0))
            await sent.wait()
            await stream.give_each(lambda each: taken.append(len(each.environment_name)))

    with pytest.raises(GRPCError, match="lost") as caught:
        await give()
    assert (caught.value.status, taken) == (Status.DATA_LOSS, [1, 2])


async def test_a_call_ends_with_the_error_of_what_takes_its_messages(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def talk(stream: Any) -> None:
        try:
            for size in (1, 2):
                await stream.send_message(message(size))
            await asyncio.Event().wait()
        finally:
            ended.set()

    taken: list[int] = []

    def take(each: AppListRequest) -> None:
        taken.append(len(each.environment_name))
        raise ValueError("no")

    async def give() -> None:
        async with call(tmp_path, talk, Cardinality.UNARY_STREAM) as stream:
            await stream.send_message(message(0))
            await stream.give_each(take)

    with pytest.raises(ValueError, match="no"):
        await give()
    await asyncio.wait_for(ended.wait(), 30)
    assert taken == [1]


async def test_more_calls_than_the_server_takes_wait(tmp_path: Path) -> None:
    """h2 takes a hundred."""
    under_way, full = 0, asyncio.Event()
    full.set()

    async def count(stream: Any) -> None:
        nonlocal under_way
        under_way += 1
        if under_way == 100:
            full.set()
        await full.wait()
        await stream.send_message(await stream.recv_message())
        under_way -= 1

    server = Server([Service(count, Cardinality.UNARY_UNARY)])
    await server.start(path=str(tmp_path / "socket"))
    channel = UnixServer(str(tmp_path / "socket")).channel()

    async def one() -> None:
        async with channel.request(
            PATH, Cardinality.UNARY_UNARY, AppListRequest, AppListRequest
        ) as stream:
            await stream.send_message(message(0))
            assert await stream.recv_message() is not None

    await one()  # after which the client knows how many the server takes
    full.clear()
    await asyncio.gather(*(one() for _ in range(150)))
    channel.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("given", [False, True])
async def test_a_server_that_does_not_have_the_call_says_so(tmp_path: Path, given: bool) -> None:
    def refuse(each: AppListRequest) -> None:
        raise AssertionError(each)

    server = Server([])
    await server.start(path=str(tmp_path / "socket"))
    channel = UnixServer(str(tmp_path / "socket")).channel()
    stream = channel.request(PATH, Cardinality.UNARY_UNARY, AppListRequest, AppListRequest)

    async def ask() -> None:
        async with stream:
            await stream.send_message(message(0))
            await (stream.give_each(refuse) if given else stream.recv_message())

    with pytest.raises(GRPCError) as caught:
        await ask()

    assert caught.value.status is Status.UNIMPLEMENTED
    channel.close()
    server.close()
    await server.wait_closed()


async def test_a_call_that_is_reset_soon_is_so_by_what_is_sent_next(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    async def wait(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(message(1))
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with call(tmp_path, wait, Cardinality.STREAM_STREAM) as stream:
        await stream.send_message(message(1))
        await stream.recv_message()
        writes: list[object] = []
        write = stream._joined.write

        def noted(data: bytes) -> None:
            writes.append(data)
            write(data)

        stream._joined.write = noted

        stream.reset_soon()
        stream.reset_soon()
        for _ in range(5):
            await asyncio.sleep(0)
        assert writes == []

        stream._connection.flush()
        await asyncio.wait_for(cancelled.wait(), 30)
        assert len(writes) == 1
        await stream.cancel()


async def test_a_call_that_is_reset_soon_is_so_at_its_end(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    async def wait(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(message(1))
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with call(tmp_path, wait, Cardinality.STREAM_STREAM) as stream:
        await stream.send_message(message(1))
        await stream.recv_message()
        stream.reset_soon()
        await stream.cancel()
        await asyncio.wait_for(cancelled.wait(), 30)
