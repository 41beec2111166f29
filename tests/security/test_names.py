"""Names: which may be asked for, and where connections by name lead, whatever a program says."""

from __future__ import annotations

import contextlib
import json
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    OPEN_NETWORK,
    ConnectionRecord,
    Engine,
    InvalidSpec,
    Network,
    SupportsNetworkChange,
    SupportsNetworkLog,
    Task,
    TaskSpec,
)
from pytest_sandbox.local.gateway.hello import Incomplete, NoName, server_name

from .internet import (
    MACHINE,
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

OTHER = "9.9.9.9"
NAMES = {
    "allowed.example": [PUBLIC, PUBLIC6],
    "www.below.example": [PUBLIC],
    "below.example": [PUBLIC],
    "denied.example": [OTHER],
    "rebound.example": ["169.254.169.254"],
    "private.example": ["10.1.2.3"],
    "own.example": [MACHINE],
    "loopback.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.2"],
    "nothing.example": ["0.0.0.0"],
    "near.example": ["10.1.2.3"],
    "nowhere.example": [],
}
#: What a sandbox is allowed in these tests.
DOMAINS = Network(domains=("allowed.example", "*.below.example", "nowhere.example"))

ASK = """
import json, socket, sys
answers = []
for name in sys.argv[1:]:
    try:
        found = socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
        answers.append(sorted({info[4][0] for info in found}))
    except socket.gaierror as error:
        answers.append(error.errno == socket.EAI_NONAME and "no such name" or "not told")
print(json.dumps(answers))
"""
#: Connects to an address, sends messages, and shows the name of the server that answers.
TALK = """
import json, socket, sys, time
host, port, *messages = sys.argv[1:]
try:
    with socket.create_connection((host, int(port)), 10) as sock:
        for message in messages:
            sock.sendall(bytes.fromhex(message))
            time.sleep(0.01)
        print(json.dumps(sock.recv(100).decode()))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
RESET = "ConnectionResetError"


def greet(peer: socket.socket) -> None:
    """Say which address was connected to, and what came first."""
    first = peer.recv(1 << 16)
    address = peer.getsockname()[0].removeprefix("::ffff:")
    peer.sendall(f"{address} {first[:1].hex()}".encode())


def hello(name: str | None) -> bytes:
    """The first message of a client of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def encrypted(data: bytes) -> bytes:
    """A ClientHello with one more extension, as if it had another one in it."""
    extension = struct.pack("!HH", 0xFE0D, 4) + bytes(4)
    position = 5 + 4 + 2 + 32
    for width in (1, 2, 1):
        position += width + int.from_bytes(data[position : position + width], "big")
    length = int.from_bytes(data[position : position + 2], "big") + len(extension)
    body = data[9:position] + struct.pack("!H", length) + data[position + 2 :] + extension
    message = data[5:6] + len(body).to_bytes(3, "big") + body
    return data[:3] + len(message).to_bytes(2, "big") + message


def in_records(data: bytes, size: int) -> bytes:
    """The same message in several records of TLS."""
    parts = [data[n : n + size] for n in range(5, len(data), size)]
    return b"".join(data[:3] + len(part).to_bytes(2, "big") + part for part in parts)


def serve(internet: Internet) -> None:
    """Port 443, elsewhere and on the machine."""
    internet.serve(greet, port=443)
    internet.serve(greet, inside=True, port=443)


@pytest_asyncio.fixture(loop_scope="module")
async def named(networked: Engine) -> AsyncIterator[Task]:
    task = await networked.create(TaskSpec(network=DOMAINS))
    yield task
    await task.kill()


async def test_an_open_network_resolves_every_name(networked: Engine, run_inside: Inside) -> None:
    task = await networked.create(TaskSpec(network=OPEN_NETWORK))
    names = ("allowed.example", "denied.example", "ALLOWED.example.", "nowhere.example", "x.y")
    both, other = [PUBLIC6, PUBLIC], [OTHER]
    expected = [sorted(both), other, sorted(both), "no such name", "no such name"]
    assert await run_inside(task, ASK, *names) == expected
    await task.kill()


async def test_only_allowed_names_are_asked_for(named: Task, run_inside: Inside) -> None:
    """Else names would be a way out: `SECRET.attacker.example`, to a server of the attacker."""
    names = ("allowed.example", "www.below.example", "below.example", "denied.example", "localhost")
    found = await run_inside(named, ASK, *names)
    assert found[:4] == [sorted([PUBLIC, PUBLIC6]), [PUBLIC], "not told", "not told"]
    assert "127.0.0.1" in found[4]


async def test_a_list_of_networks_alone_resolves_nothing(
    networked: Engine, run_inside: Inside
) -> None:
    task = await networked.create(TaskSpec(network=Network(("8.0.0.0/8",))))
    assert await run_inside(task, ASK, "allowed.example") == ["not told"]
    await task.kill()


async def test_tls_by_an_allowed_name_leads_to_its_address(named: Task, run_inside: Inside) -> None:
    first = hello("allowed.example").hex()
    assert await run_inside(named, TALK, PUBLIC, "443", first) == f"{PUBLIC} 16"
    assert await run_inside(named, TALK, PUBLIC6, "443", first) == f"{PUBLIC6} 16"
    assert await run_inside(named, TALK, PUBLIC, "443", hello("www.below.example").hex())


async def test_a_forged_name_leads_to_the_address_of_that_name(
    named: Task, run_inside: Inside
) -> None:
    first = hello("allowed.example").hex()
    for host in (OTHER, "10.1.2.3", "169.254.169.254"):
        assert await run_inside(named, TALK, host, "443", first) == f"{PUBLIC} 16"


@without(
    "outlet.Outlet._found = lambda self, greeting, target, found: ("
    "self._greetings.pop(greeting),"
    "self._ready.append((greeting.inner, reach.plain(target.host), target, None)))"
)
async def test_without_resolving_the_name_a_forged_one_leads_anywhere(
    unprotected: Engine, run_inside: Inside
) -> None:
    task = await unprotected.create(TaskSpec(network=DOMAINS))
    first = hello("allowed.example").hex()
    assert await run_inside(task, TALK, OTHER, "443", first) == f"{OTHER} 16"
    await task.kill()


#: Names that lead to where no sandbox may get: a name server says so when it likes ("rebinding").
REBOUND = {
    "rebound.example": "169.254.169.254",
    "private.example": "10.1.2.3",
    "own.example": MACHINE,
    "loopback.example": "127.0.0.1",
    "mapped.example": "127.0.0.2",
    "nothing.example": "0.0.0.0",
}


@pytest.mark.parametrize("cidrs", [(), ("0.0.0.0/0", "127.0.0.0/8", "0.0.0.0/32")])
async def test_an_allowed_name_leads_to_no_address_that_is_not(
    networked: Engine, run_inside: Inside, cidrs: tuple[str, ...]
) -> None:
    """What counts is the address that is connected to, not the one that was asked for before."""
    task = await networked.create(TaskSpec(network=Network(cidrs, tuple(REBOUND))))
    for name in REBOUND:
        first = hello(name).hex()
        assert await run_inside(task, TALK, "255.255.255.254", "443", first) == RESET, name
    await task.kill()


@without(
    "reach._RESTRICTED = ()\n"
    "own_addresses.RouteLookup.leads_elsewhere = lambda *_: True\n"
    "reach.IPv4Address.is_loopback = reach.IPv4Address.is_unspecified = False"
)
async def test_without_a_look_at_the_address_a_name_leads_anywhere(
    unprotected: Engine, run_inside: Inside
) -> None:
    task = await unprotected.create(TaskSpec(network=Network(domains=tuple(REBOUND))))
    for name, address in REBOUND.items():
        reached = "127.0.0.1" if address == "0.0.0.0" else address
        first = hello(name).hex()
        assert await run_inside(task, TALK, "255.255.255.254", "443", first) == f"{reached} 16"
    await task.kill()


#: What names no server that is allowed.
REFUSED = {
    "another name": hello("denied.example"),
    "the name above": hello("below.example"),
    "no name": hello(None),
    "an encrypted name": encrypted(hello("allowed.example")),
    "no TLS": b"GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n",
    "a message of TLS that is none": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff",
    "an endless message": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(20_000),
    "a name that has no address": hello("nowhere.example"),
    "half a message, and the end": hello("allowed.example")[:50],
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_else_is_refused(named: Task, run_inside: Inside, what: str) -> None:
    end = "sock.shutdown(1); " if "the end" in what else ""
    code = TALK.replace("print(json.dumps(sock", f"{end}print(json.dumps(sock")
    assert await run_inside(named, code, PUBLIC, "443", REFUSED[what].hex()) == RESET


async def test_other_ports_are_refused(named: Task, outside: Internet, run_inside: Inside) -> None:
    port = outside.serve(greet)
    first = hello("allowed.example").hex()
    assert await run_inside(named, TALK, PUBLIC, str(port), first) == RESET


async def test_a_hello_in_pieces_and_in_records_is_read(named: Task, run_inside: Inside) -> None:
    first = hello("allowed.example")
    pieces = [first[n : n + len(first) // 9] for n in range(0, len(first), len(first) // 9)]
    assert len(pieces) >= 9
    words = [piece.hex() for piece in pieces]
    assert await run_inside(named, TALK, PUBLIC, "443", *words) == f"{PUBLIC} 16"
    records = in_records(first, 50).hex()
    assert await run_inside(named, TALK, PUBLIC, "443", records) == f"{PUBLIC} 16"


async def test_a_private_address_of_a_name_has_to_be_named_too(
    networked: Engine, run_inside: Inside
) -> None:
    first = hello("near.example").hex()
    for cidrs, expected in (((), RESET), (("10.1.0.0/16",), "10.1.2.3 16")):
        network = Network(cidrs, ("near.example",))
        task = await networked.create(TaskSpec(network=network))
        assert await run_inside(task, TALK, PUBLIC, "443", first) == expected
        await task.kill()


async def test_a_change_of_domains_holds_at_once(networked: Engine, run_inside: Inside) -> None:
    task = await networked.create(TaskSpec(network=DOMAINS))
    change, first = SupportsNetworkChange.of(task), hello("allowed.example").hex()
    await change.set_network(Network(domains=("*.below.example",)))
    assert await run_inside(task, TALK, PUBLIC, "443", first) == RESET
    names = ("allowed.example", "www.below.example")
    assert await run_inside(task, ASK, *names) == ["not told", [PUBLIC]]
    await change.set_network(Network(domains=("*",)))
    assert await run_inside(task, TALK, PUBLIC, "443", first) == f"{PUBLIC} 16"
    await task.kill()


async def test_questions_that_are_none_are_ignored(named: Task, run_inside: Inside) -> None:
    code = """
import json, os, random, socket
random.seed(5)
with socket.socket(type=socket.SOCK_DGRAM) as sock:
    sock.connect(("127.0.0.53", 53))
    for size in list(range(40)) * 5:
        sock.send(random.randbytes(size))
    sock.send(b"\\0\\0\\1\\0\\0\\1" + bytes(6) + b"\\xc0\\x0c\\0\\1\\0\\1")
    # TXT of an allowed name: nothing; A of it: two bytes that are its number come back.
    name = b"\\7allowed\\7example\\0"
    for kind in (16, 1):
        sock.send(b"\\x12\\x34\\1\\0\\0\\1" + bytes(6) + name + bytes([0, kind, 0, 1]))
    sock.settimeout(10)
    answers = [sock.recv(512) for _ in range(2)]
print(json.dumps([[a[:2].hex(), a[3] & 15, a[7]] for a in answers if a[:2] == b"\\x12\\x34"]))
"""
    assert await run_inside(named, code) == [["1234", 0, 0], ["1234", 0, 1]]


async def test_what_was_connected_to_is_known_also_afterwards(
    networked: Engine, run_inside: Inside
) -> None:
    task = await networked.create(TaskSpec(network=DOMAINS))
    await run_inside(task, ASK, "allowed.example", "denied.example")
    first = hello("allowed.example")
    for host, port, data in ((PUBLIC, "443", first), (PUBLIC, "444", b""), (OTHER, "443", b"GET")):
        await run_inside(task, TALK, host, port, data.hex())
    log = await SupportsNetworkLog.of(task).network_log()
    await task.kill()
    assert await SupportsNetworkLog.of(task).network_log() == log
    assert log.left_out == 0
    assert [record for record in log.records if record.port != 53] == [
        ConnectionRecord(PUBLIC, "allowed.example", 443, "allowed", "", 1, len(first), 10),
        ConnectionRecord(
            *(PUBLIC, "allowed.example", 444, "denied", "no network that is allowed contains it")
        ),
        ConnectionRecord(OTHER, "", 443, "denied", "it is not TLS"),
    ]
    (asked,) = {record.name for record in log.records if record.port == 53}
    assert asked == "denied.example"


async def test_a_log_is_bounded(networked: Engine, run_inside: Inside) -> None:
    task = await networked.create(TaskSpec(network=Network(("8.0.0.0/8",))))
    code = """
import json, socket
for n in range(200):
    try:
        socket.create_connection(("9.0.0.%d" % n, 80), 10).recv(1)
    except OSError:
        pass
print(json.dumps("done"))
"""
    await run_inside(task, code)
    log = await SupportsNetworkLog.of(task).network_log()
    assert len(log.records) + log.left_out == 200
    assert log.left_out > 0
    await task.kill()


async def test_domains_that_make_no_sense_are_refused(networked: Engine) -> None:
    for domain in ("", "a b", "*.", "*.*.example", "ex*mple.com", "häßlich.example", "a" * 300):
        with pytest.raises(InvalidSpec, match="Invalid domain"):
            await networked.create(TaskSpec(network=Network(domains=(domain,))))


async def test_a_hello_cut_anywhere_is_incomplete_or_refused() -> None:
    """No prefix, and no changed byte, makes the gateway fail."""
    data = hello("allowed.example")
    for end in range(len(data)):
        with pytest.raises(Incomplete):
            server_name(data[:end])
    assert server_name(data) == server_name(data + b"more") == "allowed.example"
    for place in range(len(data)):
        for byte in (0, 1, 0x7F, 0xFF):
            mutated = data[:place] + bytes([byte]) + data[place + 1 :]
            with contextlib.suppress(Incomplete, NoName):
                assert isinstance(server_name(mutated), str)
    assert json.dumps(server_name(in_records(data, 7))) == '"allowed.example"'
