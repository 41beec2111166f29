"""Who may connect to tunnels: processes of our user and of root, unless others are let in."""

import asyncio
import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import inspector_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.server.rpc import socket_owners, tcp_peers
from pytest_sandbox.server.rpc.strangers import MOST, Strangers

from .harness import Created, Harness, serve
from .harness import refused as call_refused
from .test_connections import Transport
from .test_tunnels import PortEngine, PortTask, authority, ports, tunnels

pytestmark = pytest.mark.asyncio

SOMEBODY = 1500
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
#: Prints what it gets, or why it gets nothing.
READ = "exec 3<>/dev/tcp/$0/$1 && printf x >&3; cat <&3 2>&1"


@asynccontextmanager
async def tunnelled(
    allowed: Sequence[str] = (), **options: Any
) -> AsyncIterator[tuple[Harness, Created, pb.TunnelData]]:
    async with serve(PortEngine(), **options) as server:
        sandbox = await server.create(open_ports=ports(80), inbound_cidr_allowlist=allowed)
        (data,) = await tunnels(server, sandbox)
        yield server, sandbox, data


async def as_somebody(host: str, port: int) -> str:
    """What another user of this machine gets who connects and sends a byte."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", READ, host, str(port)],
        user=SOMEBODY, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


async def refused(server: Harness, sandbox: Created) -> list[tuple[int, str, int]]:
    """What the report shows."""
    request = inspector_pb2.InspectorDescribeRequest(sandbox_id=sandbox.id)
    description = await server.inspector.Describe(request)
    return [(each.port, each.reason, each.count) for each in description.refused]


@needs_root
async def test_another_user_is_refused_and_nothing_passes() -> None:
    async with tunnelled() as (server, sandbox, data):
        assert isinstance(sandbox.task, PortTask)
        for host, port in (
            (data.unencrypted_host, data.unencrypted_port),
            (data.host, data.port),  # before the handshake
        ):
            assert "reset by peer" in await as_somebody(host, port)

        assert sandbox.task.connections.empty()
        assert await refused(server, sandbox) == [(80, f"it is of user {SOMEBODY}", 2)]
        context = ssl.create_default_context(cadata=await authority(server, sandbox))
        _, writer = await asyncio.open_connection(data.host, data.port, ssl=context)
        await sandbox.task.connections.get()
        writer.close()


@needs_root
async def test_another_user_is_refused_where_connect_tokens_are_used() -> None:
    async with tunnelled() as (server, sandbox, _):
        request = pb.SandboxCreateConnectTokenRequest(sandbox_id=sandbox.id)
        url = (await server.control.SandboxCreateConnectToken(request)).url
        host, _, port = url.rpartition("/")[2].rpartition(":")

        assert "reset by peer" in await as_somebody(host, int(port))
        assert await refused(server, sandbox) == [(0, f"it is of user {SOMEBODY}", 1)]


@needs_root
async def test_everybody_may_connect_where_that_is_asked_for() -> None:
    async with tunnelled(tunnels_for_everybody=True) as (server, sandbox, data):
        assert isinstance(sandbox.task, PortTask)
        somebody = asyncio.ensure_future(as_somebody(data.unencrypted_host, data.unencrypted_port))
        _, inside = await sandbox.task.connections.get()
        assert await inside.received.get() == b"x"
        inside.said.put_nowait(b"hello")
        inside.said.put_nowait(b"")

        assert await somebody == "hello"
        assert await refused(server, sandbox) == []


@pytest.mark.parametrize(
    ("allowed", "source", "let_in"),
    [
        (["127.0.0.0/30"], "127.0.0.1", True),
        (["127.0.0.0/30"], "127.0.0.4", False),
        (["::1/128", "10.0.0.0/8", "127.0.0.9/32"], "127.0.0.9", True),
        (["::/0"], "127.0.0.1", False),
        (["::ffff:127.0.0.0/126"], "127.0.0.1", True),
        (["::ffff:127.0.0.0/126"], "127.0.0.4", False),
    ],
)
async def test_connections_come_from_networks_of_the_list(
    allowed: list[str], source: str, let_in: bool
) -> None:
    async with tunnelled(allowed) as (server, sandbox, data):
        assert isinstance(sandbox.task, PortTask)
        for host, port in (
            (data.unencrypted_host, data.unencrypted_port),
            (data.host, data.port),
        ):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
            if not let_in:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            elif port == data.unencrypted_port:
                await sandbox.task.connections.get()
            writer.close()
        reason = f"{source} is in no network of inbound_cidr_allowlist={allowed!r}"
        assert await refused(server, sandbox) == ([] if let_in else [(80, reason, 2)])
        assert sandbox.task.connections.empty()


async def test_a_connect_token_is_of_no_use_elsewhere() -> None:
    allowed = [f"127.0.0.{number}/32" for number in range(2, 9)]
    async with tunnelled(allowed) as (server, sandbox, _):
        request = pb.SandboxCreateConnectTokenRequest(sandbox_id=sandbox.id)
        made = await server.control.SandboxCreateConnectToken(request)
        host, _, port = made.url.rpartition("/")[2].rpartition(":")
        for source, token, status in (
            ("127.0.0.1", made.token, b"403 Forbidden"),
            ("127.0.0.2", "x", b"401 Unauthorized"),
        ):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
            writer.write(f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert (await reader.readline()).endswith(status + b"\r\n")
            writer.close()
        ((inside, reason, count),) = await refused(server, sandbox)
        assert (inside, count) == (0, 1)
        assert reason.endswith("'127.0.0.6/32', …]")


async def test_lists_that_make_no_sense_are_refused(server: Harness) -> None:
    for fields, words in (
        ({"inbound_cidr_allowlist": ["10.0.0.1/8"]}, "did you mean '10.0.0.0/8'"),
        ({"inbound_cidr_allowlist": ["::1/128"] * 1001}, "1001 networks, more than 1000"),
        (
            {
                "inbound_cidr_allowlist": ["::1/128"],
                "network_access": {"network_access_type": "BLOCKED"},
            },
            "inbound_cidr_allowlist=['::1/128'] and block_network=True exclude each other",
        ),
    ):
        with call_refused(Status.INVALID_ARGUMENT, words):
            await server.create(**fields)


@needs_root
async def test_root_may_connect_to_tunnels_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    async with tunnelled() as (_, sandbox, data):
        assert isinstance(sandbox.task, PortTask)
        _, writer = await asyncio.open_connection(data.unencrypted_host, data.unencrypted_port)
        await sandbox.task.connections.get()
        writer.close()
        somebody = asyncio.ensure_future(as_somebody(data.unencrypted_host, data.unencrypted_port))
        _, inside = await sandbox.task.connections.get()
        inside.said.put_nowait(b"")
        assert await somebody == ""


@pytest.mark.parametrize("reset", [False, True])
async def test_one_who_has_closed_already_may_be_anybody(reset: bool) -> None:
    # The kernel says of such a socket that it belongs to root.
    async with tunnelled() as (server, sandbox, data):
        assert isinstance(sandbox.task, PortTask)
        with socket.create_connection((data.unencrypted_host, data.unencrypted_port)) as sock:
            sock.sendall(b"x")
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while not (found := await refused(server, sandbox)):
            pass
        assert "its user cannot be told" in found[0][1]
        assert sandbox.task.connections.empty()


@pytest.mark.parametrize(
    ("listens", "connects"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")],
)
async def test_both_ways_to_find_the_owner_of_a_socket(
    listens: str, connects: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with (
        socket.create_server((listens, 0), family=family) as listener,
        socket.socket(socket.AF_INET6 if ":" in connects else socket.AF_INET) as sock,
    ):
        sock.connect((connects, listener.getsockname()[1]))
        with listener.accept()[0] as accepted:
            ours, theirs = accepted.getsockname()[:2], accepted.getpeername()[:2]
            inode = os.fstat(sock.fileno()).st_ino
            assert socket_owners._ask(family, theirs, ours) == (os.geteuid(), inode)
            assert socket_owners._look_up(family, theirs, ours) == (os.geteuid(), inode)
            monkeypatch.setattr(socket_owners, "_NETLINK_SOCK_DIAG", 21)  # NETLINK_CRYPTO or none
            assert tcp_peers.refusal(accepted) == ""


async def test_where_the_kernel_tells_nothing_nobody_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket_owners, "_ask", refuse)
    async with tunnelled() as (server, sandbox, data):
        reader, _ = await asyncio.open_connection(data.unencrypted_host, data.unencrypted_port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        reason = "its user cannot be told: Operation not permitted"
        assert await refused(server, sandbox) == [(80, reason, 1)]


#: Listens in a user namespace, and says of the two that connect whether they are refused.
IN_A_NAMESPACE = """
import socket
from pytest_sandbox.server.rpc import tcp_peers
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
for _ in range(2):
    print(tcp_peers.refusal(listener.accept()[0]), flush=True)
"""


@needs_root
async def test_users_outside_of_our_user_namespace_are_others() -> None:
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", IN_A_NAMESPACE]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    with socket.create_connection(("127.0.0.1", port)):
        assert await server.stdout.readline() == b"\n"
    await as_somebody("127.0.0.1", port)
    assert await server.stdout.readline() == b"it is of user 65534\n"
    await server.wait()


async def test_a_user_that_all_others_are_shown_as_is_no_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(tcp_peers, "owner_of", lambda *_: 65534)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        for uid_map, refusal in (
            ("0 1000 1\n", "it is of user 65534"),
            ("0 0 4294967295\n", ""),
        ):
            ids = tcp_peers._Ids(uid_map)
            monkeypatch.setattr(tcp_peers, "_known_ids", lambda ids=ids: ids)
            assert tcp_peers.refusal(accepted) == refusal


async def test_other_users_push_out_no_connection_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    strangers = Strangers()
    ours, others = Transport("127.0.0.1"), [Transport("127.0.0.1") for _ in range(MOST + 1)]
    monkeypatch.setattr(tcp_peers, "refusal", lambda _: "")
    strangers.add(ours)
    monkeypatch.setattr(tcp_peers, "refusal", lambda _: "it is of user 1")
    for other in others:
        strangers.add(other)

    assert [others[0].closing, others[1].closing, ours.closing] == [True, False, False]
