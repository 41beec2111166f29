"""Whoever else talks to the engine's socket, and however, disturbs nobody."""

import os
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sandbox import Client, Sandbox

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Machine = Any  # of conftest.py

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000040000000000")


def connect(machine: Machine) -> socket.socket:
    stranger = socket.socket(socket.AF_UNIX)
    stranger.connect(machine.server.socket)
    stranger.settimeout(30)
    return stranger


def headers(path: bytes, stream: int = 1) -> bytes:
    """A HEADERS frame that opens a call, its fields written out (RFC 7541, 6.2.2)."""
    fields = (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
        (b"te", b"trailers"), (b"content-type", b"application/grpc"),
    )  # fmt: skip
    block = b"".join(b"\0" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in fields)
    return len(block).to_bytes(3, "big") + b"\1\4" + stream.to_bytes(4, "big") + block


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        HELLO,
        HELLO + SETTINGS + b"\xff" * 100,
        HELLO + SETTINGS + headers(b"/no.such.Service/Call"),
        HELLO + SETTINGS + headers(b"/modal.client.ModalClient/SandboxCreate"),
        HELLO + SETTINGS + headers(b"/" + b"x" * 100),
        random.Random(1).randbytes(100_000),
        HELLO + SETTINGS + random.Random(2).randbytes(100_000),
    ],
    ids=["nothing", "http/1", "hello", "bad frame", "service", "half a call", "path", "1", "2"],
)
def test_garbage_is_dropped(machine: Machine, client: Client, garbage: bytes) -> None:
    with connect(machine) as stranger:
        try:
            stranger.sendall(garbage)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # as good as dropped
    sandbox = Sandbox.create(client=client)
    assert sandbox.run("echo", "fine").stdout == "fine\n"
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)


def test_silent_connections_disturb_nobody(machine: Machine, client: Client) -> None:
    silent = [connect(machine) for _ in range(200)]
    for stranger in silent:
        stranger.sendall(HELLO)
    sandbox = Sandbox.create(client=client)
    assert sandbox.run("echo", "fine").stdout == "fine\n"
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    for stranger in silent:
        stranger.close()


def test_only_its_owner_can_reach_the_engine(machine: Machine) -> None:
    folder = os.stat(machine.run.directory)

    assert (folder.st_mode & 0o777, folder.st_uid) == (0o700, os.geteuid())


def test_clients_come_and_go(machine: Machine, until: Callable[[Callable[[], bool]], None]) -> None:
    for _ in range(20):
        client = Client(machine.server.socket)
        sandbox = Sandbox.create(client=client)
        sandbox.exec("sleep", "1000")
        sandbox.terminate()
        client.close()
