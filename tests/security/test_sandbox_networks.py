"""Where members of a network of sandboxes do not get, and that each protection keeps them away."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    Engine,
    Membership,
    Network,
    Process,
    ProcessSpec,
    SupportsNetworkLog,
    Task,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.engine.links import gateway_link
from pytest_sandbox.local.gateway.outlet import MOST

from .internet import PUBLIC, Internet, networked, outside, unprotected, without

if TYPE_CHECKING:
    import socket

__all__ = ["networked", "outside", "unprotected"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

#: The address of the first alias of each network.
FIRST = "198.18.0.2"
#: One in the range that is nobody's; outside, everything there answers.
NOBODY = "198.18.7.7"

#: What the machine's name servers know.
NAMES = {"db": [PUBLIC]}

#: Connects to each address, and lists those that a server greets it from.
CONNECT = """
import json, socket, sys
reached = []
for host in sys.argv[2:]:
    try:
        with socket.create_connection((host, int(sys.argv[1])), 5) as sock:
            if sock.recv(5) == b"hello":
                reached.append(host)
    except OSError:
        pass
print(json.dumps(reached))
"""
SERVE = """
import socket
server = socket.create_server(("127.0.0.1", 8080))
print("ready", flush=True)
while True:
    server.accept()[0].sendall(b"hello")
"""


def greet(peer: socket.socket) -> None:
    peer.sendall(b"hello")


async def member(engine: Engine, network: str, *aliases: str, out: Network | None = None) -> Task:
    return await engine.create(TaskSpec(membership=Membership(network, aliases), network=out))


async def started(task: Task, code: str, *arguments: str) -> Process:
    """A program that has printed its first line, and runs on."""
    process = await task.exec(ProcessSpec(("python3", "-I", "-c", code, *arguments)))
    async for data in process.stdout.follow():
        assert data
        return process
    raise AssertionError("it printed nothing")


async def end(*tasks: Task) -> None:
    for task in tasks:
        await task.kill()


async def from_another_network(engine: Engine, run_inside: Inside) -> Any:
    """What a sandbox of another network reaches of a server in one."""
    db, stranger = await member(engine, "one", "db"), await member(engine, "two", "other")
    await started(db, SERVE)
    seen = await run_inside(stranger, CONNECT, "8080", "db", FIRST, "198.18.0.3")
    await end(db, stranger)
    return seen


async def test_members_of_another_network_are_not_reached(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert await from_another_network(networked, run_inside) == []


@without(
    "from pytest_sandbox.local.gateway.links import Links; join = Links.join\n"
    "def together(self, request): request.__dict__['network'] = ''; return join(self, request)\n"
    "Links.join = together"
)
async def test_without_telling_networks_apart_they_are_reached(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert "db" in await from_another_network(unprotected, run_inside)


async def out_of_the_range(engine: Engine, outside: Internet, run_inside: Inside) -> Any:
    """What a member reaches, whose list has a network around the range."""
    task = await member(engine, "out", "db", out=Network(("198.18.0.0/15",)))
    seen = await run_inside(task, CONNECT, str(outside.serve(greet)), NOBODY, "198.19.0.1")
    await end(task)
    return seen


async def test_an_address_of_members_leads_out_nowhere(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert await out_of_the_range(networked, outside, run_inside) == ["198.19.0.1"]


@without("from pytest_sandbox.local.gateway import outlet; outlet.is_of_members = lambda _: False")
async def test_without_the_range_being_apart_it_does(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert NOBODY in await out_of_the_range(unprotected, outside, run_inside)


async def to_the_internet(engine: Engine, outside: Internet, run_inside: Inside) -> Any:
    task = await member(engine, "in", "db")
    seen = await run_inside(task, CONNECT, str(outside.serve(greet)), PUBLIC)
    await end(task)
    return seen


async def test_a_member_does_not_reach_the_internet(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert await to_the_internet(networked, outside, run_inside) == []


@without("reach.Reach.refusal = lambda *_, **__: ''")
async def test_without_a_policy_it_does(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert await to_the_internet(unprotected, outside, run_inside) == [PUBLIC]


async def after_its_end(engine: Engine, outside: Internet, run_inside: Inside) -> Any:
    """What the alias of a sandbox that has ended is, where the internet has such a name."""
    db = await member(engine, "end", "db")
    client = await member(engine, "end", out=OPEN_NETWORK)
    await end(db)
    seen = await run_inside(client, CONNECT, str(outside.serve(greet)), "db", FIRST)
    await end(client)
    return seen


async def test_an_alias_is_not_asked_for_elsewhere_after_the_end(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """A program that still wants its database is not led to a stranger's."""
    assert await after_its_end(networked, outside, run_inside) == []


async def test_an_alias_that_ended_before_the_gateway_began_is_not_either(
    outside: Internet, run_inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, launch = threading.Event(), vars(gateway_link)["launch"]

    def launch_late(*arguments: Any) -> Any:
        assert ended.wait(60)
        return launch(*arguments)

    monkeypatch.setattr(gateway_link, "launch", launch_late)
    engine = LocalEngine()
    await engine.start()
    try:
        db, other = await member(engine, "end", "db"), await member(engine, "end", "other")
        client = await member(engine, "end", out=OPEN_NETWORK)
        await end(db)
        ended.set()
        connect = CONNECT, str(outside.serve(greet))
        assert await run_inside(client, *connect, "db", FIRST) == []
        await end(other)
        await end(client)
    finally:
        await engine.close()


@without(
    "from pytest_sandbox._shared.network.members import Members\n"
    "Members.had = lambda self, alias: self.get(alias) is not None"
)
async def test_without_memory_of_aliases_it_is(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    assert await after_its_end(unprotected, outside, run_inside) == ["db"]


async def test_ways_out_of_a_member_are_none_into_it(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """Its listener and its name server, which the gateway serves, answer no other sandbox."""
    db = await member(networked, "ways", "db", out=OPEN_NETWORK)
    client = await member(networked, "ways")
    for port in ("61999", "53"):
        assert await run_inside(client, CONNECT, port, "db") == []
    await end(db, client)


async def test_a_flood_of_connections_hurts_members_only(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """A member holds all connections that it may have, to a server that takes none."""
    deaf = """
import socket, sys
server = socket.create_server(("127.0.0.1", 8080), backlog=1)
print("ready", flush=True)
sys.stdin.read()
"""
    flood = """
import socket, sys
held = []
for _ in range(int(sys.argv[1])):
    held.append(socket.socket())
    held[-1].setblocking(False)
    held[-1].connect_ex((sys.argv[2], 8080))
print("all", flush=True)
sys.stdin.read()
"""
    victim, hostile = await member(networked, "flood", "db"), await member(networked, "flood")
    db, client = await member(networked, "calm", "db"), await member(networked, "calm")
    await started(victim, deaf)
    await started(hostile, flood, str(MOST + 100), FIRST)
    await started(db, SERVE)
    assert await run_inside(client, CONNECT, "8080", "db") == ["db"]
    # What the engine wants of the victim is not held up either.
    assert await run_inside(victim, "print(1)") == 1
    await end(victim, hostile, db, client)


async def test_what_was_meant_is_searched_for_few_names(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """It takes time, which is that of all sandboxes."""
    code = """
import json, socket, sys
for number in range(200):
    try:
        socket.getaddrinfo(f"dbs{number}", 1, socket.AF_INET)
    except OSError:
        pass
print(json.dumps(None))
"""
    db, client = await member(networked, "many", "dbs"), await member(networked, "many")
    await run_inside(client, code)
    records = (await SupportsNetworkLog.of(client).network_log()).records
    hinted = {one.name for one in records if "did you mean" in one.reason}
    assert len(hinted) == 20
    await end(db, client)
