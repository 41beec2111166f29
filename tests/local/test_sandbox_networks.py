"""Sandboxes that see each other, through the gateway."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Membership, Network, ProcessSpec, Task, TaskSpec, Unsupported
from pytest_sandbox.engine.conformance.tasks.memberships import asked
from pytest_sandbox.engine.conformance.tasks.ports import serve
from pytest_sandbox.local import LocalEngine

from .conftest import content, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


#: Holds a connection over a line of input.
HOLD = """
import socket, sys
sock = socket.create_connection(("db", int(sys.argv[1])))
for word in (b"x", b"y"):
    sock.sendall(word)
    print(sock.recv(1), flush=True)
    if word == b"x":
        sys.stdin.readline()
"""


def member(*aliases: str, network: str = "network", freezable: bool = False) -> TaskSpec:
    return TaskSpec(membership=Membership(network, aliases), freezable=freezable)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEngine]:
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio
async def test_in_every_mode(moded: LocalEngine) -> None:
    db, client = [await moded.create(member(*aliases)) for aliases in (("db",), ())]
    assert await asked(client, "db", await serve(db)) == "word."
    for task in (db, client):
        await task.kill()


async def test_servers_of_ipv6_alone(engine: LocalEngine) -> None:
    program = """
import socket
with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        server.accept()[0].sendall(b"six")
"""
    db, client = await engine.create(member("db")), await engine.create(member())
    process = await db.exec(ProcessSpec(("python3", "-I", "-c", program)))
    async for data in process.stdout.follow():
        assert await asked(client, "db", int(data), "") == "six"
        break
    for task in (db, client):
        await task.kill()


async def test_what_it_connected_to_has_the_aliases(engine: LocalEngine) -> None:
    db, client = await engine.create(member("db")), await engine.create(member("client"))
    port = await serve(db)
    assert await asked(client, "db", port) == "word."
    assert await asked(client, "db", 1) == "ConnectionResetError"
    assert await asked(client, "bd", port) == "gaierror"
    await db.kill()
    records = (await client.network_log()).records
    assert [(one.name, one.port, one.verdict) for one in records] == [
        ("db", port, "allowed"),
        ("db", 1, "failed"),
        ("bd", 53, "denied"),
    ]
    assert (records[0].sent, records[0].received) == (4, 5)
    assert records[1].reason == "ECONNREFUSED"
    assert records[2].reason.startswith("no sandbox of its network has this alias")
    await client.kill()


async def test_a_connection_ends_with_either_side(engine: LocalEngine) -> None:
    program = """
import socket, sys
sock = socket.create_connection(("db", int(sys.argv[1])))
sock.sendall(b"x")
print(sock.recv(1), flush=True)
try:
    print(sock.recv(1), flush=True)
except ConnectionResetError:
    print("reset", flush=True)
"""
    db, client = await engine.create(member("db")), await engine.create(member())
    port = await serve(db)
    process = await client.exec(ProcessSpec(("python3", "-I", "-c", program, str(port))))
    async for _ in process.stdout.follow():
        break
    gateway = engine.gateway.pid
    before = len(os.listdir(f"/proc/{gateway}/fd"))
    await db.kill()
    # The end or a reset: the kernel ends connections of a process that is killed.
    assert (await content(process.stdout)).split()[1] in ("reset", "b''")
    # Of `db`: what it is served by, four, and an epoll instance; of the connection, two.
    until(lambda: len(os.listdir(f"/proc/{gateway}/fd")) == before - 7, "descriptors are closed")
    await client.kill()


async def test_a_gateway_that_is_killed_has_a_successor_that_knows_all(engine: LocalEngine) -> None:
    db, client = await engine.create(member("db")), await engine.create(member())
    port = await serve(db)
    assert await asked(client, "db", port) == "word."
    assert engine.gateway.pid is not None
    os.kill(engine.gateway.pid, signal.SIGKILL)
    assert await asked(client, "db", port) == "word."
    for task in (db, client):
        await task.kill()


async def test_one_that_was_made_ahead_is_in_its_network(engine: LocalEngine) -> None:
    db = await engine.create(member("db"))
    port = await serve(db)
    await engine.prepare(member())
    (prepared,) = engine.factory.pool.tasks
    client = await engine.create(member())
    assert client is await prepared
    assert await asked(client, "db", port) == "word."
    for task in (db, client):
        await task.kill()


async def test_a_policy_besides(engine: LocalEngine) -> None:
    """What leads out has nothing to do with it, and neither has a change of that."""
    db = await engine.create(member("db"))
    port = await serve(db)
    spec = TaskSpec(network=Network(("192.0.2.0/24",)), membership=Membership("network"))
    client = await engine.create(spec)
    await client.set_network(Network())
    assert await asked(client, "db", port) == "word."
    for task in (db, client):
        await task.kill()


async def test_with_sandboxes_that_can_have_memory_snapshots(engine: LocalEngine) -> None:
    """These are of another zygote; a copy of one is in a network, with its server."""
    try:
        db = await engine.create(member("db", freezable=True))
    except Unsupported as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    clients: list[Task] = [await engine.create(member()) for _ in range(4)]
    port = await serve(db)
    for client in clients:
        assert await asked(client, "db", port) == "word."
    held = await clients[0].exec(ProcessSpec(("python3", "-I", "-c", HOLD, str(port))))
    async for _ in held.stdout.follow():
        break
    snapshot = await db.snapshot_memory()
    await held.write_stdin(b"\n")
    assert (await content(held.stdout)).split() == ["b'x'", "b'y'"]  # no copy has the connection
    copies = [
        await engine.create(TaskSpec(resume=snapshot, membership=Membership("network", (name,))))
        for name in ("copy", "db")
    ]
    await db.kill()
    for host in ("copy", "db"):
        assert await asked(clients[0], host, port) == "word."
    for task in (*clients, *copies):
        await task.kill()
    await engine.forget(snapshot)
