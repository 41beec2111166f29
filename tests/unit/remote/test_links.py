"""Links over real connections: who is let in, and what a lost connection does."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
import trustme

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.remote.link import far as far_module
from pytest_sandbox.remote.link.dialing import ALPN
from pytest_sandbox.remote.link.far import FarLink
from pytest_sandbox.remote.link.hello import Hello, encode, own_version
from pytest_sandbox.remote.link.listening import FarListener, ShownCertificate, own_certificate
from pytest_sandbox.remote.link.near import NearLink, probe
from pytest_sandbox.remote.link.timing import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = Timing(ping=0.05, pings=2, dial=5.0, refused=0.1, retry=0.01)


class Echo(asyncio.Protocol):
    """What runs on the far side: it sends back what came."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Asking(Echo):
    """What runs here."""

    def __init__(self) -> None:
        self.got = bytearray()
        self._more = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += data
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def ask(self, data: bytes) -> None:
        """Send, and wait until it has come back."""
        whole = len(self.got) + len(data)
        self.transport.write(data)
        while len(self.got) < whole:
            self._more.clear()
            await self._more.wait()


class Service:
    """Serves a session by echo."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def accept(self) -> asyncio.Protocol:
        return Echo()

    async def end(self) -> None:
        self.ended.set()


@dataclass
class Relay:
    """A way to the far side that a test can break."""

    port: int = 0
    broken: bool = False
    silent: bool = False
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def to(self, port: int) -> AsyncIterator[Relay]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.broken:
                writer.transport.abort()
                return
            there, back = await asyncio.open_connection("127.0.0.1", port)
            self.open += [writer, back]
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.silent:
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        target.close()

    def cut(self) -> None:
        """Reset what goes through."""
        for writer in self.open:
            writer.transport.abort()
        self.open.clear()


@dataclass
class Far:
    """A far side that listens here."""

    address: RemoteAddress
    link: FarLink
    services: list[Service]
    listener: FarListener


@asynccontextmanager
async def far_side(
    certificate: ShownCertificate | None = None,
    *,
    tls: bool = True,
    protocol: str = "p",
    host: str = "127.0.0.1",
    timing: Timing = QUICK,
) -> AsyncIterator[Far]:
    services: list[Service] = []

    def make() -> Service:
        services.append(Service())
        return services[-1]

    link = FarLink(make, protocol, "t0ken", machine="2 processors\n", timing=timing)
    made = certificate or own_certificate("localhost")
    listener = await FarListener.open(link, host, 0, made.context if tls else None)
    address = RemoteAddress(
        "grpc+tls" if tls else "grpc",
        "127.0.0.1",
        listener.port,
        "t0ken",
        fingerprint=made.fingerprint if tls else "",
        lease=1.0,
    )
    try:
        yield Far(address, link, services, listener)
    finally:
        listener.close()
        await link.close()


@asynccontextmanager
async def near_side(
    address: RemoteAddress, protocol: str = "p", timing: Timing = QUICK
) -> AsyncIterator[NearLink]:
    link = NearLink(address, protocol, timing)
    try:
        yield link
    finally:
        await link.close()


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.asyncio
async def test_what_is_sent_arrives_and_the_end_ends_what_was_made(tls: bool) -> None:
    async with far_side(tls=tls) as far:
        async with near_side(far.address) as near:
            asking = await near.open(Asking)
            await asking.ask(bytes(5_000_000))
            assert far.link.sessions == 1
        await far.services[0].ended.wait()
        assert far.link.sessions == 0


@pytest.mark.asyncio
async def test_a_lost_connection_is_made_again_and_nothing_is_lost() -> None:
    async with (
        far_side() as far,
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port)) as near,
    ):
        asking = await near.open(Asking)
        for number in range(3):
            await asking.ask(b"before")
            relay.cut()
            await asking.ask(str(number).encode() * 100_000)
        assert asking.got == b"".join(b"before" + b"%d" % n * 100_000 for n in range(3))
        assert len(far.services) == 1


@pytest.mark.asyncio
async def test_a_connection_on_which_nothing_comes_any_more_is_replaced() -> None:
    async with (
        far_side() as far,
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port)) as near,
    ):
        asking = await near.open(Asking)
        await asking.ask(b"before")
        relay.silent = True
        asking.transport.write(b"lost on its way")
        while relay.silent:  # until both ends have noticed, and try again
            await asyncio.sleep(0)
            relay.silent = not any(w.transport.is_closing() for w in relay.open)
        await asking.ask(b"after")
        assert asking.got == b"beforelost on its wayafter"


@pytest.mark.asyncio
async def test_a_session_ends_at_both_sides_when_no_connection_can_be_made() -> None:
    async with (
        far_side() as far,
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port)) as near,
    ):
        asking = await near.open(Asking)
        relay.broken = True
        relay.cut()
        assert "for 1 s" in await near.over
        assert "for 1 s" in str(await asking.lost)
        await far.services[0].ended.wait()
        with pytest.raises(EngineUnavailable, match="is gone: the connection was lost"):
            await near.open(Asking)


@pytest.mark.asyncio
async def test_a_far_side_that_takes_connections_and_says_nothing_is_given_up() -> None:
    """As one that is stopped: the kernel takes connections for it."""
    patient = replace(QUICK, dial=1000.0)
    async with (
        far_side(timing=replace(patient, pings=1000)) as far,  # which does not notice first
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port), timing=patient) as near,
    ):
        asking = await near.open(Asking)
        await asking.ask(b"before")
        relay.silent = True
        assert "(nothing came for 0.15 s) for 1 s" in await near.over
        await asking.lost


@pytest.mark.asyncio
async def test_the_time_without_a_word_counts_from_the_last_one() -> None:
    """So a near side that waits for less than it takes to notice does not connect again."""
    async with (
        far_side(timing=replace(QUICK, pings=1000)) as far,  # which does not notice first
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port, lease=0.1)) as near,
    ):
        await (await near.open(Asking)).ask(b"before")
        connections = len(relay.open)
        relay.silent = True
        assert "(nothing came for 0.15 s) for 0.1 s" in await near.over
        assert len(relay.open) == connections


@pytest.mark.asyncio
async def test_a_far_side_that_was_killed_is_noticed_soon() -> None:
    async with far_side() as far, near_side(replace(far.address, lease=300)) as near:
        asking = await near.open(Asking)
        far.listener.close()
        for end in far.link._ends.values():  # as the kernel would
            assert end.session._carrier is not None
            end.session._carrier.abort()
        assert "Connection refused" in await near.over
        await asking.lost


@pytest.mark.asyncio
async def test_a_far_side_that_was_started_anew_has_no_session() -> None:
    async with (
        far_side() as far,
        Relay().to(far.address.port) as relay,
        near_side(replace(far.address, port=relay.port)) as near,
    ):
        await near.open(Asking)
        far.link._ends.clear()  # it knows nothing of it
        relay.cut()
        assert "it was started anew" in await near.over


@pytest.mark.asyncio
async def test_two_runs_have_a_session_each() -> None:
    async with (
        far_side() as far,
        near_side(far.address) as one,
        near_side(far.address) as other,
    ):
        await (await one.open(Asking)).ask(b"1")
        await (await other.open(Asking)).ask(b"2")
        assert far.link.sessions == 2
        await one.close()
        await far.services[0].ended.wait()
        assert not far.services[1].ended.is_set()


async def refusal(address: RemoteAddress, protocol: str = "p") -> str:
    async with near_side(address, protocol) as near:
        with pytest.raises(EngineUnavailable) as caught:
            await near.connect()
        return str(caught.value)


@pytest.mark.asyncio
async def test_who_has_no_token_is_refused() -> None:
    async with far_side() as far:
        said = await refusal(replace(far.address, token="wr0ng"))
        assert "does not know this token" in said
        assert "wr0ng" not in said
        assert not far.services


@pytest.mark.asyncio
async def test_another_certificate_is_refused_before_the_token_is_shown() -> None:
    async with far_side() as far:
        said = await refusal(replace(far.address, fingerprint="0" * 64))
        assert f"another fingerprint, {far.address.fingerprint}" in said
        assert not far.services


@pytest.mark.asyncio
async def test_another_version_is_refused_with_both() -> None:
    async with far_side() as far:
        said = await refusal(far.address, "q")
        assert "(protocol q) here and" in said
        assert "(protocol p) at" in said
        assert "Install the same version at both ends" in said


@pytest.mark.asyncio
async def test_too_many_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_module, "MOST_SESSIONS", 1)
    async with far_side() as far, near_side(far.address) as near:
        await near.open(Asking)
        said = await refusal(far.address)
        assert "it serves 1 runs, and no more" in said
        assert "Wait until a run has ended there" in said


@pytest.mark.asyncio
async def test_runs_without_a_connection_give_way_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(far_module, "MOST_SESSIONS", 2)
    async with far_side(tls=False) as far:
        for _ in range(2):  # a near side that goes away at once, and is to be waited for
            stream, writer = await asyncio.open_connection("127.0.0.1", far.address.port)
            writer.write(encode(Hello("t0ken", own_version(), "p", lease=3600.0)))
            await stream.readexactly(4)
            writer.transport.abort()
        both_wait = False
        while not both_wait:
            await asyncio.sleep(0)
            both_wait = all(end.waits_since is not None for end in far.link._ends.values())
        async with near_side(far.address) as near:
            await (await near.open(Asking)).ask(b"x")
            await far.services[0].ended.wait()
            assert not far.services[1].ended.is_set()


@pytest.mark.asyncio
async def test_all_addresses_are_those_of_ipv6_too() -> None:
    async with far_side(tls=False, host="") as far:
        here = ["127.0.0.1"]
        with suppress(OSError), socket.socket(socket.AF_INET6) as other:
            other.bind(("::1", 0))  # a container may have no such address
            here.append("::1")
        for host in here:
            async with near_side(replace(far.address, host=host)) as near:
                await (await near.open(Asking)).ask(b"x")


@pytest.mark.asyncio
async def test_plain_text_and_tls_do_not_mix() -> None:
    async with far_side() as far:
        plain = replace(far.address, scheme="grpc", fingerprint="")
        assert "begins with grpc+tls://" in await refusal(plain)
    async with far_side(tls=False) as far:
        tls = replace(far.address, scheme="grpc+tls", fingerprint="0" * 64)
        assert "speaks no TLS" in await refusal(tls)


def signed(authority: trustme.CA, expires: datetime.datetime | None = None) -> ShownCertificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=expires).configure_cert(context)
    context.set_alpn_protocols([ALPN])
    return ShownCertificate(context, "")


@pytest.mark.asyncio
async def test_a_certificate_of_an_authority_needs_no_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with far_side(signed(authority)) as far:
        assert "?fingerprint=" in await refusal(far.address)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with near_side(far.address) as near:
            await (await near.open(Asking)).ask(b"x")
        elsewhere = replace(far.address, host="localhost")
        assert "localhost" in await refusal(elsewhere)
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    async with far_side(signed(authority, long_ago)) as far:
        said = await refusal(far.address)
        assert "expired" in said
        assert "Correct the clock" in said


@pytest.mark.asyncio
async def test_an_expired_certificate_with_the_right_fingerprint_is_no_problem() -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    made = signed(trustme.CA(), long_ago)
    async with far_side(made) as far:
        said = await refusal(replace(far.address, fingerprint="0" * 64))
        found = said.partition("another fingerprint, ")[2][:64]
        async with near_side(replace(far.address, fingerprint=found)) as near:
            await (await near.open(Asking)).ask(b"x")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", b"\0\0\0\2{}", b"\0\0\0\4null"])
@pytest.mark.asyncio
async def test_who_says_something_else_is_refused(first: bytes) -> None:
    async with far_side(tls=False) as far:
        reader, writer = await asyncio.open_connection("127.0.0.1", far.address.port)
        writer.write(first)
        assert b'"refused": "hello"' in await reader.read()
        writer.close()
        assert not far.services


@pytest.mark.asyncio
async def test_who_says_nothing_is_shown_out() -> None:
    async with far_side(tls=False) as far:
        far.link._timing = replace(QUICK, dial=0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", far.address.port)
        writer.write(b"\0")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


@pytest.mark.asyncio
async def test_what_listens_elsewhere_is_named() -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await refusal(RemoteAddress("grpc", "127.0.0.1", port, "t"))
        assert "is no engine; it says b'220 mail" in said
    said = await refusal(RemoteAddress("grpc", "127.0.0.1", port, "t"))
    assert "cannot be reached" in said
    assert "Is `pytest-sandbox serve --listen` running there" in said


@pytest.mark.asyncio
async def test_a_probe_says_what_the_machine_is_and_leaves_nothing() -> None:
    async with far_side() as far:
        assert await probe(far.address, "p") == "2 processors"
        await far.services[0].ended.wait()
        with pytest.raises(EngineUnavailable, match="does not know this token"):
            await probe(replace(far.address, token="wr0ng"), "p")
