"""Where a sandbox with a network does not get, and that each protection is what keeps it away."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
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
    SupportsNetworkChange,
    SupportsNetworkLog,
    Task,
    TaskSpec,
)
from pytest_sandbox.local.gateway.outlet import MOST

from .internet import (
    MACHINE,
    MACHINE6,
    PUBLIC,
    PUBLIC6,
    Internet,
    networked,
    outside,
    unprotected,
    without,
)

if TYPE_CHECKING:
    import socket

__all__ = ["networked", "outside", "unprotected"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

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

#: Addresses that an open network does not include, by the protection that keeps them out.
RESTRICTED = (
    *("10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00:ec2::254", "fec0::1"),
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "198.18.0.1"),
    *("203.0.113.9", "2001:db8::9", "2001:10::1"),
)
#: Others ways to write some of these, and addresses of IPv6 that are sent on to one of IPv4.
DISGUISED = (
    *("::ffff:10.1.2.3", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::a01:203", "2002:a9fe:a9fe::1", "::ffff:0:a01:203"),
    # 10.1.2.3 too, where prefixes have 48 bits, and not the one of 96 bits, 8.8.8.8: RFC 6052.
    "64:ff9b:1:a01:2:300:808:808",
)
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1")
#: Of IPv6, that are sent on to `MACHINE`.
CARRYING_THE_MACHINE = ("64:ff9b::5db8:d822", "2002:5db8:d822::1")


def greet(peer: socket.socket) -> None:
    peer.sendall(b"hello")


async def reached(
    engine: Engine, run_inside: Inside, network: Network, port: int, *hosts: str
) -> list[str]:
    """Which of the addresses a sandbox reaches."""
    task = await engine.create(TaskSpec(network=network))
    try:
        return list(await run_inside(task, CONNECT, str(port), *hosts))
    finally:
        await task.kill()


async def test_an_open_network_is_the_public_one(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet)
    hosts = [PUBLIC, PUBLIC6, *RESTRICTED, *DISGUISED]
    assert await reached(networked, run_inside, OPEN_NETWORK, port, *hosts) == [PUBLIC, PUBLIC6]


@without("reach._RESTRICTED = ()")
async def test_without_the_list_of_restricted_ranges_they_are_reached(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    port, hosts = outside.serve(greet), [*RESTRICTED, *DISGUISED]
    assert await reached(unprotected, run_inside, OPEN_NETWORK, port, *hosts) == hosts


@without("reach.carried = lambda address: []")
async def test_without_a_look_at_what_ipv6_carries_it_is_reached(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    port, hosts = outside.serve(greet), ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
    assert await reached(unprotected, run_inside, OPEN_NETWORK, port, *hosts) == hosts


async def test_addresses_of_the_machine_are_not_reached(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet, inside=True)
    hosts = [MACHINE, MACHINE6, f"::ffff:{MACHINE}"]
    assert await reached(networked, run_inside, OPEN_NETWORK, port, *hosts) == []
    # A network around it was meant for its neighbours.
    around = Network(("93.184.216.0/24", "2606:2800::/32"))
    assert await reached(networked, run_inside, around, port, *hosts) == []
    named = Network((f"{MACHINE}/32", f"{MACHINE6}/128"))
    assert await reached(networked, run_inside, named, port, *hosts) == hosts


async def test_addresses_that_are_sent_on_to_the_machine_are_not_reached(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet)
    hosts = [PUBLIC6, *CARRYING_THE_MACHINE]
    assert await reached(networked, run_inside, OPEN_NETWORK, port, *hosts) == [PUBLIC6]


@without("own_addresses.RouteLookup.leads_elsewhere = lambda *_: True")
async def test_without_asking_the_kernel_the_machine_is_reached(
    unprotected: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet, inside=True)
    hosts = [MACHINE, MACHINE6, f"::ffff:{MACHINE}"]
    assert await reached(unprotected, run_inside, OPEN_NETWORK, port, *hosts) == hosts
    port, hosts = outside.serve(greet), [*CARRYING_THE_MACHINE]
    assert await reached(unprotected, run_inside, OPEN_NETWORK, port, *hosts) == hosts


async def test_loopback_is_that_of_the_sandbox(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet, inside=True)
    for network in (OPEN_NETWORK, Network(("127.0.0.0/8", "::1/128", "0.0.0.0/0"))):
        assert await reached(networked, run_inside, network, port, *LOOPBACK) == []
    # In the network namespace of the machine, the program reaches them all.
    command = (sys.executable, "-I", "-c", CONNECT, str(port), *LOOPBACK)
    output = outside.machine.run(subprocess.check_output, command)
    assert json.loads(output) == [*LOOPBACK]


async def test_a_list_allows_what_is_in_it_and_nothing_else(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    port = outside.serve(greet)
    hosts = [PUBLIC, "9.9.9.9", "10.1.2.3", "10.2.2.3", "169.254.169.254", PUBLIC6]
    for cidrs, expected in (
        ([], []),
        (["9.9.9.9/32"], ["9.9.9.9"]),
        (["10.1.0.0/16"], ["10.1.2.3"]),
        # A range is named by what lies in it, not by what it lies in.
        (["0.0.0.0/0", "8.0.0.0/5"], [PUBLIC, "9.9.9.9"]),
        (["0.0.0.0/0", "10.0.0.0/8"], [PUBLIC, "9.9.9.9", "10.1.2.3", "10.2.2.3"]),
        (["169.254.169.254/32"], ["169.254.169.254"]),
    ):
        found = await reached(networked, run_inside, Network(tuple(cidrs)), port, *hosts)
        assert found == expected, cidrs


async def test_the_listener_of_the_way_out_leads_nowhere(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    code = """
import json, socket
answers = []
for host in ("127.0.0.1", "::1"):
    try:
        with socket.create_connection((host, 61999), 5) as sock:
            answers.append(len(sock.recv(1)))
    except OSError as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    assert await run_inside(task, code) == ["ConnectionResetError"] * 2
    await task.kill()


async def test_what_is_not_tcp_is_refused(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    code = """
import json, socket
answers = []
for host in ("8.8.8.8", "2607:f8b0::8", "169.254.169.254"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"x", (host, 443)); answers.append("sent")
        except OSError as error:
            answers.append(type(error).__name__)
for kind, protocol in ((socket.SOCK_RAW, 1), (socket.SOCK_DGRAM, 1), (socket.SOCK_RAW, 6)):
    try:
        socket.socket(socket.AF_INET, kind, protocol); answers.append("made")
    except OSError as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    assert await run_inside(task, code) == ["PermissionError"] * 6
    await task.kill()


async def test_the_rules_inside_cannot_be_changed(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    code = """
import json, socket
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    print(json.dumps("made"))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    assert await run_inside(task, code) == "OSError"
    await task.kill()


async def started(task: Task, code: str, *arguments: str) -> Process:
    """A program that has printed its first line, and runs on."""
    process = await task.exec(ProcessSpec(("python3", "-I", "-c", code, *arguments)))
    async for data in process.stdout.follow():
        assert data
        return process
    raise AssertionError("it printed nothing")


async def test_another_sandbox_is_not_reached(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """Not even by an address that each has: all addresses are each one's own."""
    serve = """
import socket
server = socket.create_server(("", 8080))
print("ready", flush=True)
while True:
    server.accept()[0].sendall(b"hello")
"""
    first = await networked.create(TaskSpec(network=OPEN_NETWORK))
    await started(first, serve)
    assert await run_inside(first, CONNECT, "8080", "127.0.0.1") == ["127.0.0.1"]
    for host in (PUBLIC, "10.88.0.2", "127.0.0.1"):
        assert await reached(networked, run_inside, OPEN_NETWORK, 8080, host) == []
    await first.kill()
    # It is the want of a network of both that keeps them apart.
    first, second = [
        await networked.create(TaskSpec(membership=Membership("network", aliases)))
        for aliases in (("first",), ())
    ]
    await started(first, serve)
    assert await run_inside(second, CONNECT, "8080", "first") == ["first"]
    for task in (first, second):
        await task.kill()


async def test_a_flood_of_connections_leaves_others_theirs(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """A sandbox has a bounded number of connections; another one's are made meanwhile."""
    open_now = threading.Semaphore(0)

    def hold(peer: socket.socket) -> None:
        open_now.release()
        peer.recv(1)

    flood = """
import socket, sys
held = []
for _ in range(1200):
    held.append(socket.socket())
    held[-1].setblocking(False)
    held[-1].connect_ex((sys.argv[1], int(sys.argv[2])))
print("all", flush=True)
sys.stdin.read()
"""
    hostile = await networked.create(TaskSpec(network=OPEN_NETWORK))
    await started(hostile, flood, PUBLIC, str(outside.serve(hold)))
    for _ in range(MOST):
        assert await asyncio.to_thread(open_now.acquire, timeout=30)
    found = await reached(networked, run_inside, OPEN_NETWORK, outside.serve(greet), PUBLIC)
    assert found == [PUBLIC]
    assert not open_now.acquire(blocking=False), "more than its share"
    (_, waiting) = (await SupportsNetworkLog.of(hostile).network_log()).records
    assert (waiting.host, waiting.port, waiting.verdict) == ("", 0, "failed")
    assert waiting.reason == f"{MOST} connections at a time; further ones wait"
    assert waiting.count > 0
    await hostile.kill()


async def test_a_change_ends_what_is_no_longer_allowed(
    networked: Engine, outside: Internet, run_inside: Inside
) -> None:
    """And nothing else; what was denied before is reached then."""
    hold = """
import socket, sys
kept = []
for host in sys.argv[2:]:
    kept.append(socket.create_connection((host, int(sys.argv[1]))))
    kept[-1].recv(5)
print("connected", flush=True)
for sock in kept:
    sock.settimeout(0.3)
    try:
        print(sock.recv(1))
    except OSError as error:
        print(type(error).__name__, flush=True)
    sys.stdin.read()
"""

    def stay(peer: socket.socket) -> None:
        greet(peer)
        peer.recv(1)

    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    process = await started(task, hold, str(outside.serve(stay)), PUBLIC, "9.9.9.9")
    change = SupportsNetworkChange.of(task)
    await change.set_network(Network(("9.0.0.0/8", "10.0.0.0/8")))
    port = outside.serve(greet)
    assert await run_inside(task, CONNECT, str(port), PUBLIC, "10.1.2.3") == ["10.1.2.3"]
    await process.close_stdin()
    await process.wait()
    output = b"".join([data async for data in process.stdout.follow()]).split()
    assert output == [b"connected", b"ConnectionResetError", b"TimeoutError"]
    await change.set_network(Network())
    assert await run_inside(task, CONNECT, str(port), PUBLIC, "10.1.2.3") == []
    await task.kill()
