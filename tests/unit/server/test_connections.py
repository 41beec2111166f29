"""What one connection can take of the server: memory, time, and connections of others."""

import asyncio
import errno
import gc
import os
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
from grpclib import Status
from grpclib.protocol import Stream

from pytest_sandbox.server.certificates import Authority
from pytest_sandbox.server.rpc import turns
from pytest_sandbox.server.rpc.auth import ListenerConfig, TokenPair
from pytest_sandbox.server.rpc.connection import (
    LARGEST_MESSAGE,
    LARGEST_MESSAGES,
    MOST_CALLS,
)
from pytest_sandbox.server.rpc.strangers import MOST, Strangers
from pytest_sandbox.server.rpc.turns import Turns

from .raw import INPUT, served

PAIR = TokenPair("ak-x", "as-y")
TOKEN = {"x-modal-token-id": PAIR.id, "x-modal-token-secret": PAIR.secret}
HELLO = "/modal.client.ModalClient/ClientHello"


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
async def test_a_connection_without_a_token_has_little() -> None:
    async with served(config=ListenerConfig("tcp", PAIR)) as listener:
        stranger, known = await listener.connect(), await listener.connect()
        call = known.open(HELLO, TOKEN)
        known.h2.end_stream(call)
        known.flush()
        await known.status(call)
        await known.answered()
        await stranger.answered()

        for raw, windows, calls in ((stranger, 65_535, 100), (known, 4 * 2**20, MOST_CALLS)):
            assert raw.h2.outbound_flow_control_window == windows
            assert raw.h2.remote_settings.initial_window_size == windows
            assert raw.h2.remote_settings.max_concurrent_streams == calls


@pytest.mark.asyncio
async def test_calls_have_little_metadata(tmp_path: Path) -> None:
    async with served(tmp_path / "socket") as listener:
        raw = await listener.connect()
        raw.open(HELLO, {"x-much": "x" * 20_000})

        assert await raw.closed()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("127.0.0.1", "127.9.8.7", True),
        ("::1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::f:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
async def test_addresses_that_a_stranger_can_choose_from_count_as_one(
    one: str, other: str, expected: bool
) -> None:
    strangers = Strangers()
    first = Transport(one)
    strangers.add(first)
    for _ in range(MOST):
        strangers.add(Transport(other))

    assert first.closing == expected


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


@pytest.mark.asyncio
async def test_a_handshake_counts_from_its_begin() -> None:
    authority = Authority()
    tls = authority.context(frozenset({"127.0.0.1"}), "h2")
    client = ssl.create_default_context(cadata=authority.pem.decode())
    client.set_alpn_protocols(["h2"])
    async with served(config=ListenerConfig("tls", PAIR), tls=tls) as listener:
        assert isinstance(listener.address, tuple)
        before = len(os.listdir("/proc/self/fd"))
        silent = [await asyncio.open_connection(*listener.address) for _ in range(2 * MOST)]
        assert await asyncio.wait_for(silent[0][0].read(), 30) == b""
        known = await listener.connect(client)
        call = known.open(HELLO, TOKEN)
        known.h2.end_stream(call)
        known.flush()

        assert (await known.status(call))[0] is Status.INVALID_ARGUMENT  # but let in
        # Both ends are in this process.
        assert len(os.listdir("/proc/self/fd")) <= before + 3 * MOST + 10
        for _, writer in silent:
            writer.close()


class Unconnected:
    """A socket whose other end is gone."""

    def getsockname(self) -> None:
        raise OSError(errno.ENOTCONN, "not connected")


class Transport(asyncio.Transport):
    """Counts how often it is paused."""

    def __init__(self, peer: str = "") -> None:
        super().__init__({"peername": (peer, 1), "socket": Unconnected()})
        self.paused = 0
        self.closing = False

    def abort(self) -> None:
        self.closing = True

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
