"""Tunnels: from a socket of this machine to a connection of an engine, and back."""

import asyncio
import errno
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.gpus.simulated import SimulatedGpu
from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.engine import Capability, Connection, TaskSpec
from pytest_sandbox.fakes.files.vfs import Filesystem
from pytest_sandbox.server.certificates import Authority
from pytest_sandbox.server.tunnels import addresses, tunnel
from pytest_sandbox.server.tunnels.addresses import https_listener
from pytest_sandbox.server.tunnels.relay import CHUNK

from .engines import GatedEngine, GatedTask
from .harness import Created, Harness, refused, serve

pytestmark = pytest.mark.asyncio

MIB = 1024 * 1024


class Inside(Connection):
    """A connection in memory; the test is the program at its other end."""

    def __init__(self) -> None:
        self.received = asyncio.Queue[bytes]()
        self.said = asyncio.Queue[bytes | OSError]()
        self.takes = asyncio.Event()
        self.takes.set()
        self.closed = asyncio.Event()
        self.taken = 0
        self.given = 0

    async def read(self, size: int) -> bytes:
        data = await self.said.get()
        if isinstance(data, OSError):
            raise data
        assert len(data) <= size
        self.given += len(data)
        return data

    async def write(self, data: bytes) -> None:
        self.taken += len(data)
        await self.takes.wait()
        self.received.put_nowait(data)

    async def end(self) -> None:
        self.received.put_nowait(b"")

    async def close(self) -> None:
        self.closed.set()


class PortTask(GatedTask):
    """Something listens on every port below 9000."""

    def __init__(
        self, engine: GatedEngine, spec: TaskSpec, fs: Filesystem, gpus: Sequence[SimulatedGpu]
    ) -> None:
        super().__init__(engine, spec, fs, gpus)
        self.connections = asyncio.Queue[tuple[int, Inside]]()

    async def connect(self, port: int) -> Connection:
        if port >= 9000:
            raise ConnectionRefusedError(port)
        inside = Inside()
        self.connections.put_nowait((port, inside))
        return inside


class PortEngine(GatedEngine):
    def make_task(self, spec: TaskSpec, fs: Filesystem, gpus: Sequence[SimulatedGpu]) -> PortTask:
        return PortTask(self, spec, fs, gpus)


def ports(*plain: int, tls: tuple[int, ...] = (), h2: tuple[int, ...] = ()) -> pb.PortSpecs:
    return pb.PortSpecs(
        ports=[
            *(pb.PortSpec(port=port, unencrypted=True) for port in plain),
            *(pb.PortSpec(port=port) for port in tls),
            *(pb.PortSpec(port=port, tunnel_type=pb.TUNNEL_TYPE_H2) for port in h2),
        ]
    )


async def tunnels(server: Harness, sandbox: Created) -> list[pb.TunnelData]:
    request = pb.SandboxGetTunnelsRequest(sandbox_id=sandbox.id, timeout=50)
    return list((await server.control.SandboxGetTunnels(request)).tunnels)


async def authority(server: Harness, sandbox: Created) -> str:
    """The certificate that clients have to trust."""
    async with server.control.SandboxGetTunnels.open() as stream:
        await stream.send_message(pb.SandboxGetTunnelsRequest(sandbox_id=sandbox.id), end=True)
        await stream.recv_message()
        assert stream.initial_metadata is not None
        pem = stream.initial_metadata["x-sandbox-tunnel-ca-bin"]
    assert isinstance(pem, bytes)
    return pem.decode()


@asynccontextmanager
async def tunnelled(
    *plain: int, **fields: Any
) -> AsyncIterator[tuple[Harness, Created, PortTask, Callable[[int], Any]]]:
    """A server, a sandbox, its task, and what opens a connection through a tunnel."""
    writers: list[asyncio.StreamWriter] = []
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(*plain), **fields)
        assert isinstance(sandbox.task, PortTask)
        at = {data.container_port: data for data in await tunnels(server, sandbox)}

        async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            data = at[port]
            reader, writer = await asyncio.open_connection(
                data.unencrypted_host, data.unencrypted_port
            )
            writers.append(writer)
            return reader, writer

        yield server, sandbox, sandbox.task, connect
    for writer in writers:
        writer.transport.abort()


async def test_without_ports_there_are_no_tunnels(server: Harness) -> None:
    assert await tunnels(server, await server.create()) == []


async def test_bytes_and_ends_pass_both_ways() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        reader, writer = await connect(80)
        port, inside = await task.connections.get()
        assert port == 80
        writer.write(b"question")
        assert await inside.received.get() == b"question"
        writer.write_eof()
        assert await inside.received.get() == b""
        inside.said.put_nowait(b"answer")
        assert await reader.readexactly(6) == b"answer"
        inside.said.put_nowait(b"")
        assert await reader.read() == b""
        await inside.closed.wait()


async def test_the_program_may_end_first() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        reader, writer = await connect(80)
        _, inside = await task.connections.get()
        inside.said.put_nowait(b"")
        assert await reader.read() == b""
        writer.write(b"still heard")
        assert await inside.received.get() == b"still heard"
        writer.close()
        assert await inside.received.get() == b""
        await inside.closed.wait()


async def test_connections_do_not_mix() -> None:
    async with tunnelled(80, 81) as (_, _, task, connect):
        for port in (80, 81, 80):
            _, writer = await connect(port)
            number, inside = await task.connections.get()
            writer.write(b"%d" % port)
            assert (number, await inside.received.get()) == (port, b"%d" % port)


async def test_a_port_that_refuses_resets_the_client() -> None:
    async with tunnelled(9001) as (_, _, _, connect):
        reader, _ = await connect(9001)
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_connection_that_is_broken_inside_is_broken_outside() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        reader, _ = await connect(80)
        _, inside = await task.connections.get()
        inside.said.put_nowait(ConnectionResetError("reset"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await inside.closed.wait()


async def test_a_connection_that_is_broken_outside_is_closed_inside() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        _, writer = await connect(80)
        _, inside = await task.connections.get()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await inside.closed.wait()


async def test_who_reads_nothing_inside_makes_the_client_wait() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        _, writer = await connect(80)
        _, inside = await task.connections.get()
        inside.takes.clear()
        writer.write(bytes(64 * MIB))
        draining = asyncio.ensure_future(writer.drain())
        await asyncio.wait([draining], timeout=0.2)
        assert not draining.done()
        assert inside.taken <= CHUNK
        inside.takes.set()
        await draining


async def test_who_reads_nothing_outside_makes_the_program_wait() -> None:
    async with tunnelled(80) as (_, _, task, connect):
        reader, writer = await connect(80)
        _, inside = await task.connections.get()
        writer.transport.pause_reading()
        for _ in range(64 * MIB // CHUNK):
            inside.said.put_nowait(bytes(CHUNK))
        inside.said.put_nowait(b"")
        await asyncio.sleep(0.2)
        assert 0 < inside.given < 32 * MIB  # the kernel's buffers take some
        writer.transport.resume_reading()
        assert len(await reader.read()) == 64 * MIB


async def test_the_same_is_opened_once() -> None:
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(80, 81))
        first, second = await asyncio.gather(tunnels(server, sandbox), tunnels(server, sandbox))
        assert first == second == await tunnels(server, sandbox)
        assert [data.container_port for data in first] == [80, 81]
        assert {data.unencrypted_host for data in first} == {"127.0.0.1"}


async def test_the_end_of_the_sandbox_closes_its_tunnels() -> None:
    async with tunnelled(80) as (server, sandbox, _, connect):
        await server.terminate(sandbox)
        with pytest.raises(ConnectionRefusedError):
            await connect(80)
        with refused(Status.FAILED_PRECONDITION, sandbox.id, "has ended"):
            await tunnels(server, sandbox)


async def test_after_the_end_a_client_gets_what_is_left_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tunnel, "DRAIN_TIMEOUT", 0.2)
    async with tunnelled(80) as (server, sandbox, task, connect):
        reader, _ = await connect(80)
        _, inside = await task.connections.get()
        await server.terminate(sandbox)
        inside.said.put_nowait(b"left")
        assert await reader.readexactly(4) == b"left"
        await inside.closed.wait()


async def test_a_restored_sandbox_is_reached_at_the_same_address() -> None:
    async with tunnelled(80) as (server, sandbox, task, connect):
        restored = PortTask(server.engine, task.spec, task.kernel.fs, ())
        server.app.state.sandboxes.get(sandbox.id).task = restored
        _, writer = await connect(80)
        _, inside = await restored.connections.get()
        writer.write(b"x")
        assert await inside.received.get() == b"x"
        assert task.connections.empty()


async def test_a_connection_keeps_a_sandbox_from_being_idle() -> None:
    async with tunnelled(80, idle_timeout_secs=10) as (server, sandbox, task, connect):
        _, writer = await connect(80)
        _, inside = await task.connections.get()
        await server.clock.advance(60)
        assert (await server.wait(sandbox)).status == 0
        inside.said.put_nowait(b"")
        writer.close()
        await inside.closed.wait()
        await server.clock.advance(11)
        assert (await server.wait(sandbox)).status == 7  # idle


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "MOST", 1)
    async with tunnelled(80) as (_, _, task, connect):
        _, first = await connect(80)
        _, inside = await task.connections.get()
        reader, _ = await connect(80)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        first.close()
        inside.said.put_nowait(b"")
        await inside.closed.wait()
        while task.connections.empty():  # the first may still count for a moment
            await connect(80)
            await asyncio.sleep(0)


async def test_nothing_of_tunnels_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "DRAIN_TIMEOUT", 0.05)
    async with serve(PortEngine()) as server:

        async def life() -> None:
            sandbox = await server.create(open_ports=ports(80, tls=(443,)))
            at = {data.container_port: data for data in await tunnels(server, sandbox)}
            assert isinstance(sandbox.task, PortTask)
            for _ in range(5):
                _, writer = await asyncio.open_connection("127.0.0.1", at[80].unencrypted_port)
                await sandbox.task.connections.get()
                writer.close()
            _, silent = await asyncio.open_connection(at[443].host, at[443].port)
            await server.terminate(sandbox)
            silent.close()

        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            await life()
        while len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_who_does_not_do_their_part_of_tls_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tunnel, "_HANDSHAKE", 0.05)
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(tls=(443,)))
        (data,) = await tunnels(server, sandbox)
        reader, writer = await asyncio.open_connection(data.host, data.port)
        assert await reader.read() == b""
        writer.close()


async def test_a_plain_port_is_reached_over_tls_too() -> None:
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(80))
        assert isinstance(sandbox.task, PortTask)
        (data,) = await tunnels(server, sandbox)
        context = ssl.create_default_context(cadata=await authority(server, sandbox))
        for host, port, tls in (
            (data.unencrypted_host, data.unencrypted_port, None),
            (data.host, data.port, context),
        ):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
            writer.write(b"in")
            number, inside = await sandbox.task.connections.get()
            assert (number, await inside.received.get()) == (80, b"in")
            inside.said.put_nowait(b"")
            writer.close()


async def test_a_plain_port_without_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authority, "available", staticmethod(lambda: False))
    async with serve(PortEngine()) as server:
        (data,) = await tunnels(server, await server.create(open_ports=ports(80)))
        assert (data.host, data.port) == ("", 0)
        assert data.unencrypted_port


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)


@pytest.mark.usefixtures("no_proxy")
async def test_an_encrypted_tunnel_has_an_address_of_its_own() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with https_listener("sb-1/80") as one, https_listener("sb-1/81") as other:
        assert one.getsockname()[1] == other.getsockname()[1] == 443
        assert one.getsockname()[0] != other.getsockname()[0]
        with https_listener("sb-1/80") as again:  # as in another run of the same test
            assert again.getsockname() not in (one.getsockname(), other.getsockname())


async def test_behind_a_proxy_a_tunnel_is_at_the_usual_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    with https_listener("proxied") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL])
async def test_without_port_443_a_tunnel_is_at_the_usual_address(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    listen = addresses._listener

    def refusing(host: str, port: int) -> socket.socket:
        if port == 443:
            raise OSError(number, os.strerror(number))
        return listen(host, port)

    monkeypatch.setattr(addresses, "_listener", refusing)
    with https_listener("refused") as listener:
        host, port = listener.getsockname()
        assert (host, port in (0, 443)) == ("127.0.0.1", False)


@pytest.mark.parametrize(("kind", "offered"), [("tls", "http/1.1"), ("h2", "h2")])
async def test_an_encrypted_tunnel_ends_tls_by_its_own_authority(kind: str, offered: str) -> None:
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(**{kind: (443,)}))
        (data,) = await tunnels(server, sandbox)
        assert (data.unencrypted_host, data.unencrypted_port) == ("", 0)
        context = ssl.create_default_context(cadata=await authority(server, sandbox))
        context.set_alpn_protocols(["h2", "http/1.1"])
        reader, writer = await asyncio.open_connection(data.host, data.port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == offered
        assert isinstance(sandbox.task, PortTask)
        _, inside = await sandbox.task.connections.get()
        writer.write(b"secret")
        assert await inside.received.get() == b"secret"
        inside.said.put_nowait(b"answer")
        inside.said.put_nowait(b"")
        assert await reader.read() == b"answer"
        await inside.closed.wait()
        writer.close()


@pytest.mark.parametrize(
    ("specs", "status", "words"),
    [
        (ports(0), Status.INVALID_ARGUMENT, "unencrypted_ports=0"),
        (ports(tls=(65536,)), Status.INVALID_ARGUMENT, "encrypted_ports=65536"),
        (ports(80, h2=(80,)), Status.INVALID_ARGUMENT, "port 80 is given twice"),
    ],
)
async def test_ports_that_cannot_be_are_refused(
    server: Harness, specs: pb.PortSpecs, status: Status, words: str
) -> None:
    with refused(status, words):
        await server.create(open_ports=specs)


async def test_no_port_can_be_opened_without_a_network(server: Harness) -> None:
    blocked = pb.NetworkAccess(network_access_type=pb.NetworkAccess.BLOCKED)
    with refused(Status.INVALID_ARGUMENT, "port 80", "block_network"):
        await server.create(open_ports=ports(80), network_access=blocked)


async def test_an_engine_without_a_way_in_says_so() -> None:
    engine = GatedEngine(capabilities=frozenset(Capability) - {Capability.PORT})
    async with serve(engine) as server:
        with refused(Status.UNIMPLEMENTED, "h2_ports=80", "'fake' cannot connect to ports"):
            await server.create(open_ports=ports(h2=(80,)))


async def test_without_certificates_only_plain_ports_can_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve(PortEngine()) as server:
        sandbox = await server.create(open_ports=ports(tls=(80,)))
        monkeypatch.setattr(Authority, "available", staticmethod(lambda: False))
        monkeypatch.setitem(__import__("sys").modules, "trustme", None)
        assert await server.create(open_ports=ports(80))
        with refused(Status.FAILED_PRECONDITION, "encrypted_ports=80", install_command("serve")):
            await server.create(open_ports=ports(tls=(80,)))
        with refused(Status.FAILED_PRECONDITION, "encrypted_ports=80", install_command("serve")):
            await tunnels(server, sandbox)
        monkeypatch.undo()
        assert len(await tunnels(server, sandbox)) == 1
