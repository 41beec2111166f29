"""A sandbox reaches its own loopback, and nothing else."""

import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

CONNECT = """
import json, socket, sys
results = []
for host, port in json.loads(sys.argv[1]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, kind) as sock:
            sock.settimeout(5)
            try:
                sock.connect((host, port)); sock.send(b"x")
                if kind == socket.SOCK_DGRAM:
                    sock.recv(1)
                results.append([host, kind.name, "reached"])
            except OSError as error:
                results.append([host, kind.name, type(error).__name__])
print(json.dumps([result for result in results if result[2] == "reached"]))
"""


async def test_listeners_of_the_machine_cannot_be_reached(inside: Inside) -> None:
    addresses = {"127.0.0.1", "127.0.0.2"}
    addresses |= {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    with (
        socket.create_server(("0.0.0.0", 0)) as server,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        port = server.getsockname()[1]
        udp.bind(("0.0.0.0", port))
        targets = [[address, port] for address in addresses if "%" not in address]
        assert await inside(CONNECT, json.dumps(targets)) == []


async def test_there_is_no_way_out(inside: Inside) -> None:
    targets = [
        ["8.8.8.8", 53],
        ["169.254.169.254", 80],
        ["10.0.0.1", 80],
        ["2001:4860:4860::8888", 53],
    ]
    assert await inside(CONNECT, json.dumps(targets)) == []


async def test_there_is_one_interface_and_no_route(inside: Inside) -> None:
    code = """
import json, os, socket
routes = open("/proc/net/route").read().splitlines()[1:]
print(json.dumps([[name for _, name in socket.if_nameindex()], routes]))
"""
    assert await inside(code) == [["lo"], []]


async def test_interfaces_and_routes_cannot_be_made(inside: Inside) -> None:
    code = """
import fcntl, json, socket, struct
reached = []
with socket.socket() as sock:
    for number in (0x8914, 0x8916, 0x890B, 0x89A0):  # SIOCSIFFLAGS, SIFADDR, ADDRT, BRADDBR
        try:
            fcntl.ioctl(sock, number, struct.pack("16sH14x", b"lo", 1)); reached.append(hex(number))
        except OSError:
            pass
# RTM_NEWLINK, a dummy interface
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
    sock.settimeout(5)
    kind = struct.pack("HH", 9, 1) + b"dummy" + bytes(3)
    info = struct.pack("HH", 4 + len(kind), 18) + kind
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + info
    sock.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
    length, type_, _, _, _, error = struct.unpack_from("IHHIIi", sock.recv(4096))
    if error == 0:
        reached.append("RTM_NEWLINK")
print(json.dumps(reached))
"""
    assert await inside(code) == []
