"""Connections of sandboxes to what is outside, through the gateway, with real servers."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import select
import signal
import socket
import struct
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    InvalidSpec,
    Network,
    Process,
    ProcessSpec,
    Task,
    TaskSpec,
    Unsupported,
)
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.links.gateway_link import GatewayLink

from ..security.internet import PUBLIC, PUBLIC6, Internet, echo, networked, outside
from .conftest import content, is_running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["networked", "outside"]

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIB = 1024 * 1024

#: What every program begins with: it connects to a host and a port.
CONNECT = """
import socket, struct, sys, time
try:
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
except ConnectionResetError:
    sys.exit(print("ConnectionResetError"))
"""
RESET = (
    "sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); sock.close()"
)
#: Prints what comes until the end, or how it broke off.
READ = """
got = b""
try:
    while data := sock.recv(65536):
        got += data
    print(got.decode())
except OSError as error:
    print(type(error).__name__)
"""


@pytest_asyncio.fixture(loop_scope="module")
async def open_task(networked: LocalEngine) -> AsyncIterator[Task]:
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    yield task
    await task.kill()


async def start(task: Task, program: str, host: str, port: int) -> Process:
    argv = ("python3", "-I", "-c", CONNECT + program, host, str(port))
    return await task.exec(ProcessSpec(argv))


async def run(task: Task, program: str, host: str, port: int) -> str:
    """What a program prints."""
    process = await start(task, program, host, port)
    output = await content(process.stdout)
    assert (await process.wait()).code == 0, await content(process.stderr)
    return output.strip()


async def soon(event: threading.Event) -> bool:
    return await asyncio.to_thread(event.wait, 30)


@pytest.mark.asyncio
async def test_a_way_out_in_every_mode(moded: LocalEngine, outside: Internet) -> None:
    port = outside.serve(echo)
    task = await moded.create(TaskSpec(network=OPEN_NETWORK))
    for host in (PUBLIC, PUBLIC6):
        program = "sock.sendall(b'one'); sock.shutdown(socket.SHUT_WR)" + READ
        assert await run(task, program, host, port) == "one."
    await task.kill()


async def test_much_data_both_ways_at_once(open_task: Task, outside: Internet) -> None:
    program = """
import hashlib, threading
data = bytes(range(256)) * 40000
threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR))).start()
got = b"".join(iter(lambda: sock.recv(65536), b""))
print(got == data + b".")
"""
    assert await run(open_task, program, PUBLIC, outside.serve(echo)) == "True"


async def test_the_end_is_passed_on_while_the_other_way_stays_open(
    open_task: Task, outside: Internet
) -> None:
    ended = threading.Event()

    def end_first(peer: socket.socket) -> None:
        peer.sendall(b"all")
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(100) == b"answer"
        ended.set()

    program = "assert sock.recv(100) == b'all' and not sock.recv(100); sock.sendall(b'answer')"
    assert await run(open_task, program, PUBLIC, outside.serve(end_first)) == ""
    assert await soon(ended)


async def test_resets_are_passed_on_both_ways(open_task: Task, outside: Internet) -> None:
    seen = threading.Event()

    def break_off(peer: socket.socket) -> None:
        peer.recv(1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def is_broken_off(peer: socket.socket) -> None:
        peer.sendall(b"x")
        try:
            peer.recv(1)
        except ConnectionResetError:
            seen.set()

    program = "sock.sendall(b'x')" + READ
    port = outside.serve(break_off)
    assert await run(open_task, program, PUBLIC, port) == "ConnectionResetError"
    await run(open_task, f"sock.recv(1); {RESET}", PUBLIC, outside.serve(is_broken_off))
    assert await soon(seen)


async def test_nothing_listens_there(open_task: Task, outside: Internet) -> None:
    assert await run(open_task, READ, PUBLIC, 9) == "ConnectionResetError"


async def test_a_side_that_does_not_read_makes_the_other_wait(
    open_task: Task, outside: Internet
) -> None:
    """What is under way is bounded by the kernel's buffers; nothing is lost."""
    received: list[int] = []
    go = threading.Event()

    def read_late(peer: socket.socket) -> None:
        go.wait(60)
        received.append(sum(len(data) for data in iter(lambda: peer.recv(MIB), b"")))
        peer.sendall(b"!")

    program = """
sock.settimeout(0.5)
sent = 0
try:
    while True:
        sent += sock.send(bytes(65536))
except TimeoutError:
    print(sent, flush=True)
sock.settimeout(None)
sys.stdin.readline()
sock.shutdown(socket.SHUT_WR)
assert sock.recv(1) == b"!"
"""
    process = await start(open_task, program, PUBLIC, outside.serve(read_late))
    async for data in process.stdout.follow():
        sent = int(data)
        break
    assert sent < 64 * MIB
    go.set()
    await process.close_stdin()
    assert (await process.wait()).code == 0, await content(process.stderr)
    assert received == [sent]


async def test_many_connections_at_once(open_task: Task, outside: Internet) -> None:
    program = """
others = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) for _ in range(199)]
for n, one in enumerate([sock, *others]):
    one.sendall(b"%03d" % n)
print(all(one.recv(3) == b"%03d" % n for n, one in enumerate([sock, *others])))
"""
    assert await run(open_task, program, PUBLIC, outside.serve(echo)) == "True"


async def test_connections_end_with_the_sandbox(networked: LocalEngine, outside: Internet) -> None:
    connected, over = threading.Event(), threading.Event()

    def hold(peer: socket.socket) -> None:
        connected.set()
        try:
            peer.recv(1)
        finally:
            over.set()

    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    await start(task, "sys.stdin.read()", PUBLIC, outside.serve(hold))
    assert await soon(connected)
    gateway = networked.gateway.pid  # one that was killed has a successor by now
    before = len(os.listdir(f"/proc/{gateway}/fd"))
    await task.kill()
    assert await soon(over)
    # Its epoll instance, listeners for IPv4 and IPv6, sockets for questions and to the agent, and a
    # connection's.
    until(lambda: len(os.listdir(f"/proc/{gateway}/fd")) == before - 7, "descriptors are closed")


async def test_descriptors_that_run_out_are_shared(
    networked: LocalEngine, outside: Internet
) -> None:
    """The sandbox with the most connections makes room for others."""
    hostile = await networked.create(TaskSpec(network=OPEN_NETWORK))
    port = outside.serve(echo)
    program = """
others = []
for _ in range(100):
    others.append(socket.socket())
    others[-1].connect((sys.argv[1], int(sys.argv[2])))
print("all", flush=True)
sys.stdin.read()
"""
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    gateway = networked.gateway.pid
    assert gateway is not None
    limits = resource.prlimit(gateway, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, (80, limits[1]))
        process = await start(hostile, program, PUBLIC, port)
        async for _ in process.stdout.follow():
            break
        for _ in range(5):
            assert (
                await run(task, "sock.sendall(b'x'); print(sock.recv(1))", PUBLIC, port) == "b'x'"
            )
    finally:
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, limits)
        await hostile.kill()
        await task.kill()


async def test_its_own_servers_are_reached_as_without_a_network(open_task: Task) -> None:
    program = """
import socket
with socket.create_server(("", 8080)) as server:
    for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "localhost"):
        with socket.create_connection((host, 8080), 5) as sock:
            server.accept()[0].sendall(b"own")
            assert sock.recv(3) == b"own"
with socket.socket(type=socket.SOCK_DGRAM) as udp:
    udp.bind(("127.0.0.1", 0))
    udp.sendto(b"x", udp.getsockname())
    assert udp.recv(1) == b"x"
"""
    process = await open_task.exec(ProcessSpec(("python3", "-I", "-c", program)))
    assert (await process.wait()).code == 0, await content(process.stderr)


async def test_a_sandbox_that_was_made_ahead_has_the_network_of_its_kind(
    networked: LocalEngine, outside: Internet
) -> None:
    port = outside.serve(echo)
    await networked.prepare(TaskSpec(network=OPEN_NETWORK))
    plain, task = [
        await networked.create(TaskSpec(network=network)) for network in (None, OPEN_NETWORK)
    ]
    program = "sock.sendall(b'x'); print(sock.recv(1))"
    assert await run(task, program, PUBLIC, port) == "b'x'"
    process = await start(plain, program, PUBLIC, port)
    assert "Network is unreachable" in await content(process.stderr)
    for made in (plain, task):
        await made.kill()


async def test_a_copy_with_processes_has_a_network_of_its_own(
    networked: LocalEngine, outside: Internet
) -> None:
    """An open connection is no obstacle; it goes on in the original, and the copy makes others."""
    port = outside.serve(echo)
    program = (
        """
sock.sendall(b"x")
print(sock.recv(1), flush=True)
sys.stdin.readline()
sock.sendall(b"y")
sock.shutdown(socket.SHUT_WR)
"""
        + READ
    )
    try:
        task = await networked.create(TaskSpec(network=OPEN_NETWORK, freezable=True))
    except Unsupported as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    process = await start(task, program, PUBLIC, port)
    async for _ in process.stdout.follow():
        break
    snapshot = await task.snapshot_memory()
    copy = await networked.create(TaskSpec(network=OPEN_NETWORK, resume=snapshot))
    assert await run(copy, "sock.sendall(b'z'); print(sock.recv(1))", PUBLIC, port) == "b'z'"
    await process.write_stdin(b"\n")
    assert (await content(process.stdout)).split() == ["b'x'", "y."]
    for made in (task, copy):
        await made.kill()
    await networked.forget(snapshot)


async def test_networks_that_are_none_are_refused(networked: LocalEngine) -> None:
    for text in ("10.0.0.1/8", "0.0.0.0/33", "example.com", "::%1/64"):
        with pytest.raises(InvalidSpec, match="Invalid CIDR"):
            await networked.create(TaskSpec(network=Network((text,))))


@pytest.mark.asyncio
async def test_what_the_gateway_cannot_be_told_of_is_not_admitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would be asked for what it does not know, and die."""
    gateway = GatewayLink()
    gateway._channel = SimpleNamespace(closed=False)  # type: ignore[assignment]
    listener, peer = os.pipe()

    def full(fd: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", full)
        with pytest.raises(OSError, match="Too many"):
            gateway.admit("1", [listener], Network(), frozenset())
    closed = select.poll()
    closed.register(peer, 0)
    assert closed.poll(10_000) == [(peer, select.POLLERR)]  # by a thread, soon
    os.close(peer)
    assert gateway._admitted == {}


async def test_a_gateway_that_is_killed_has_a_successor(outside: Internet) -> None:
    engine = LocalEngine()
    await engine.start()
    task = await engine.create(TaskSpec(network=OPEN_NETWORK))
    port = outside.serve(echo)
    relayed = "sock.sendall(b'x'); print(sock.recv(1), flush=True)"
    process = await start(task, relayed + READ, PUBLIC, port)
    async for _ in process.stdout.follow():
        break
    first = engine.gateway.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert "ConnectionResetError" in await content(process.stdout)
    assert await run(task, "sock.sendall(b'x'); print(sock.recv(1))", PUBLIC, port) == "b'x'"
    second = engine.gateway.pid
    assert second not in (None, first)
    await engine.close()
    assert not any(is_running(pid) for pid in (first, second) if pid is not None)
