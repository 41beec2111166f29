"""What one connection can take of the server: memory, time, and connections of others."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from grpclib import Status
from grpclib.protocol import Stream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, TrailersReceived

from pytest_sandbox.server import Application
from pytest_sandbox.server.rpc import turns
from pytest_sandbox.server.rpc.auth import ListenerConfig, TokenPair
from pytest_sandbox.server.rpc.connection import LARGEST_MESSAGE, LARGEST_MESSAGES
from pytest_sandbox.server.rpc.grpc_server import RpcServer
from pytest_sandbox.server.rpc.strangers import MOST
from pytest_sandbox.server.rpc.turns import Turns

from .engines import GatedEngine
from .harness import UNIX

PAIR = TokenPair("ak-x", "as-y")
TOKEN = {"x-modal-token-id": PAIR.id, "x-modal-token-secret": PAIR.secret}
INPUT = "/modal.client.ModalClient/ContainerExecPutInput"
HELLO = "/modal.client.ModalClient/ClientHello"


class Raw:
    """A client of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def open(self, path: str, metadata: Mapping[str, str] | None = None) -> int:
        """Begin a call."""
        stream = self.h2.get_next_available_stream_id()
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
        headers |= {"te": "trailers", "content-type": "application/grpc", **(metadata or {})}
        self.h2.send_headers(stream, list(headers.items()))
        self.flush()
        return stream

    def announce(self, size: int, path: str = INPUT) -> int:
        """Begin a call with a message of so many bytes, of which the first one comes."""
        stream = self.open(path)
        self.h2.send_data(stream, b"\0" + struct.pack(">I", size) + b"x")
        self.flush()
        return stream

    async def events(self) -> AsyncIterator[Event]:
        while data := await self.reader.read(65536):
            events = self.h2.receive_data(data)
            self.flush()
            for event in events:
                yield event

    async def status(self, stream: int) -> tuple[Status, str]:
        """How a call ends."""
        async for event in self.events():
            if isinstance(event, ResponseReceived | TrailersReceived) and event.stream_id == stream:
                headers = dict(cast("list[tuple[str, str]]", event.headers))
                if "grpc-status" in headers:
                    return Status(int(headers["grpc-status"])), headers.get("grpc-message", "")
            assert not isinstance(event, ConnectionTerminated)
        raise AssertionError("the connection was closed")

    async def answered(self) -> None:
        """Have the server work on all that was sent."""
        self.h2.ping(b"12345678")
        self.flush()
        async for event in self.events():
            if type(event).__name__ == "PingAckReceived":
                return

    async def closed(self) -> bool:
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionResetError:
            pass
        return True


class Listening:
    def __init__(self, server: RpcServer, address: Path | tuple[str, int]) -> None:
        self.server = server
        self.address = address
        self._open: list[Raw] = []

    async def connect(self) -> Raw:
        if isinstance(self.address, Path):
            raw = Raw(*await asyncio.open_unix_connection(self.address))
        else:
            raw = Raw(*await asyncio.open_connection(*self.address))
        self._open.append(raw)
        return raw

    def disconnect(self) -> None:
        for raw in self._open:
            raw.writer.close()


@asynccontextmanager
async def served(
    address: Path | None = None, config: ListenerConfig = UNIX
) -> AsyncIterator[Listening]:
    engine = GatedEngine()
    app = Application(engine, await engine.start())
    server = app.server(config)
    if address is None:
        listening = socket.create_server(("127.0.0.1", 0))
        await server.start(sock=listening)
        listener = Listening(server, listening.getsockname())
    else:
        await server.start(path=str(address))
        listener = Listening(server, address)
    try:
        yield listener
    finally:
        listener.disconnect()
        server.close()
        await app.close()
        await server.wait_closed()


def streams() -> int:
    """How many streams there are in memory."""
    gc.collect()
    return sum(isinstance(thing, Stream) for thing in gc.get_objects())


@pytest.mark.asyncio
async def test_a_message_that_is_too_large_is_refused_before_it_comes(tmp_path: Path) -> None:
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        status, message = await raw.status(raw.announce(400 * 2**20))

        assert status is Status.RESOURCE_EXHAUSTED
        assert str(LARGEST_MESSAGE) in message


@pytest.mark.asyncio
async def test_the_messages_of_a_connection_are_limited_together(tmp_path: Path) -> None:
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        fit = LARGEST_MESSAGES // LARGEST_MESSAGE
        calls = [raw.announce(LARGEST_MESSAGE) for _ in range(fit)]
        status, message = await raw.status(raw.announce(LARGEST_MESSAGE))

        assert status is Status.RESOURCE_EXHAUSTED
        assert str(LARGEST_MESSAGES) in message
        for call in calls:  # gives up what they would have taken
            raw.h2.reset_stream(call)
        last = raw.announce(LARGEST_MESSAGE)
        raw.h2.end_stream(last)
        raw.flush()
        assert (await raw.status(last))[0] is Status.INVALID_ARGUMENT  # it was cut
        other = await listener.connect()
        assert (await other.status(other.open(HELLO + "x")))[0] is Status.UNIMPLEMENTED


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0", Status.INVALID_ARGUMENT),
        (b"\0\0\0\0\5", Status.INVALID_ARGUMENT),
        (b"\0\0\0\0\5abc", Status.INVALID_ARGUMENT),
        (b"\0\0\0\0\5\xff\xff\xff\xff\xff", Status.INVALID_ARGUMENT),
        (b"\1\0\0\0\1a", Status.UNIMPLEMENTED),
        (b"", Status.INVALID_ARGUMENT),
    ],
    ids=["head", "no body", "cut", "not a message", "compressed", "nothing"],
)
async def test_a_message_that_is_none_is_the_fault_of_the_caller(
    data: bytes, expected: Status, tmp_path: Path
) -> None:
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        call = raw.open(INPUT)
        raw.h2.send_data(call, data, end_stream=True)
        raw.flush()

        assert (await raw.status(call))[0] is expected


@pytest.mark.asyncio
async def test_calls_that_were_reset_leave_nothing(tmp_path: Path) -> None:
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        before = streams()
        for _ in range(500):
            raw.h2.reset_stream(raw.open(INPUT))
        raw.flush()
        await raw.answered()

        assert streams() == before


@pytest.mark.asyncio
async def test_connections_that_have_ended_leave_nothing(tmp_path: Path) -> None:
    async with served(tmp_path / "socket") as listener:
        for _ in range(50):
            raw = await listener.connect()
            raw.announce(100)
            await raw.answered()
            raw.writer.close()
            await raw.writer.wait_closed()

        assert len(listener.server._handlers) <= 11  # looked at with each tenth connection


@pytest.mark.asyncio
async def test_an_address_has_so_many_connections_without_a_token() -> None:
    async with served(config=ListenerConfig("tcp", PAIR)) as listener:
        known = await listener.connect()
        call = known.open(HELLO, TOKEN)
        known.h2.end_stream(call)
        known.flush()
        assert (await known.status(call))[0] is Status.INVALID_ARGUMENT  # but let in
        silent = [await listener.connect() for _ in range(MOST)]
        for raw in silent:
            await raw.answered()
        wrong = await listener.connect()
        call = wrong.open(HELLO, {**TOKEN, "x-modal-token-secret": "as-wrong"})

        assert (await wrong.status(call))[0] is Status.UNAUTHENTICATED
        assert await silent[0].closed()
        await silent[1].answered()
        await known.answered()
        await listener.connect()
        assert await silent[1].closed()
        await wrong.answered()


class Transport(asyncio.Transport):
    """Counts how often it is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = 0
        self.closing = False

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.asyncio
async def test_bytes_that_take_long_are_worked_on_in_turns(clock: list[float]) -> None:
    done = bytearray()
    finished = asyncio.Event()

    def slow(part: bytes) -> None:
        done.extend(part)
        clock[0] += 0.001 * len(part)
        if len(done) == len(data):
            finished.set()

    data = bytes(number % 251 for number in range(100_000))
    transport = Transport()
    receiving = Turns(transport, slow)
    receiving.receive(data[:90_000])
    receiving.receive(data[90_000:])
    first = len(done)
    await finished.wait()

    assert done == data
    assert first < len(data) / 4
    assert transport.paused > 100  # in each of which others had theirs


@pytest.mark.asyncio
async def test_bytes_that_take_little_are_worked_on_at_once(clock: list[float]) -> None:
    parts: list[bytes] = []
    Turns(Transport(), parts.append).receive(bytes(256 * 1024))

    assert len(b"".join(parts)) == 256 * 1024


@pytest.mark.asyncio
async def test_what_a_closed_connection_had_sent_is_dropped(clock: list[float]) -> None:
    transport = Transport()
    parts: list[bytes] = []

    def close(data: bytes) -> None:
        parts.append(data)
        transport.closing = True

    Turns(transport, close).receive(bytes(256 * 1024))

    assert len(parts) == 1
