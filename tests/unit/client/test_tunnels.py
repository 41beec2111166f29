"""Tunnels to ports of real sandboxes."""

from __future__ import annotations

import concurrent.futures
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Client, Sandbox, Tunnel
from pytest_sandbox.client.exceptions import ConflictError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024

ECHO = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
print("up", flush=True)
def serve(peer):
    while data := peer.recv(1 << 20):
        peer.sendall(data)
    peer.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],)).start()
"""


def echoing(sandbox: Sandbox, port: int) -> None:
    process = sandbox.exec(sys.executable, "-I", "-c", ECHO, str(port))
    assert next(iter(process.stdout)) == "up\n"


def converse(sock: socket.socket, data: bytes) -> bytes:
    """Send all and then nothing more, and meanwhile read to the end."""

    def send() -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    parts = []
    while part := sock.recv(MIB):
        parts.append(part)
    sender.join()
    return b"".join(parts)


def test_without_ports_there_are_none(sandbox: Sandbox, call: Callable[..., Any]) -> None:
    assert call(sandbox.tunnels) == {}


def test_a_plain_port_is_reached(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    echoing(sandbox, 7000)
    tunnel = call(sandbox.tunnels)[7000]
    with socket.create_connection(tunnel.tcp_socket) as sock:
        assert converse(sock, b"hello") == b"hello"
    with (
        socket.create_connection(tunnel.tls_socket) as plain,
        tunnel.ssl_context().wrap_socket(plain, server_hostname=tunnel.host) as encrypted,
    ):
        encrypted.sendall(b"secret")
        assert encrypted.recv(100) == b"secret"


def test_an_encrypted_port_is_reached_by_who_trusts_it(
    sandboxes: Callable[..., Sandbox],
) -> None:
    sandbox = sandboxes(encrypted_ports=[7000])
    echoing(sandbox, 7000)
    tunnel = sandbox.tunnels()[7000]
    own = f"https://{tunnel.host}"
    assert tunnel.url == (own if tunnel.port == 443 else f"{own}:{tunnel.port}")
    with (
        socket.create_connection(tunnel.tls_socket) as plain,
        tunnel.ssl_context().wrap_socket(plain, server_hostname=tunnel.host) as sock,
    ):
        sock.sendall(b"secret")
        assert sock.recv(100) == b"secret"
    with socket.create_connection(tunnel.tls_socket) as plain:
        strict = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            strict.wrap_socket(plain, server_hostname=tunnel.host)
    with pytest.raises(InvalidError, match="is encrypted"):
        assert tunnel.tcp_socket


def test_much_passes_both_ways(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    echoing(sandbox, 7000)
    data = bytes(range(256)) * 4096 * 100  # 100 MiB
    with socket.create_connection(sandbox.tunnels()[7000].tcp_socket) as sock:
        assert converse(sock, data) == data


def test_many_at_once(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    echoing(sandbox, 7000)
    address = sandbox.tunnels()[7000].tcp_socket

    def talk(number: int) -> bytes:
        with socket.create_connection(address) as sock:
            return converse(sock, b"%d " % number * 10_000)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(talk, range(50)))
    assert answers == [b"%d " % number * 10_000 for number in range(50)]


def test_connections_come_from_networks_of_the_list(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000], inbound_cidr_allowlist=["127.0.0.5/32"])
    echoing(sandbox, 7000)
    address = sandbox.tunnels()[7000].tcp_socket
    with socket.create_connection(address, source_address=("127.0.0.5", 0)) as allowed:
        assert converse(allowed, b"hello") == b"hello"
    with socket.create_connection(address) as refused, pytest.raises(ConnectionResetError):
        refused.recv(1)


def test_a_port_on_which_nothing_listens_resets(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    with (
        socket.create_connection(sandbox.tunnels()[7000].tcp_socket) as sock,
        pytest.raises(ConnectionResetError),
    ):
        sock.recv(1)


def test_the_end_of_the_sandbox_is_the_end_of_its_connections(
    sandboxes: Callable[..., Sandbox],
) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    echoing(sandbox, 7000)
    address = sandbox.tunnels()[7000].tcp_socket
    with socket.create_connection(address) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        sandbox.terminate()
        assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_restored_sandbox_is_reached_at_the_same_address(
    sandboxes: Callable[..., Sandbox],
) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    image = sandbox.snapshot_filesystem()
    echoing(sandbox, 7000)
    address = sandbox.tunnels()[7000].tcp_socket
    with socket.create_connection(address) as before:
        before.sendall(b"x")
        assert before.recv(1) == b"x"
        sandbox.restore(image)
        assert before.recv(1) == b""
    echoing(sandbox, 7000)
    with socket.create_connection(address) as sock:
        assert converse(sock, b"again") == b"again"


def test_a_sandbox_that_has_ended_has_no_tunnels(
    sandboxes: Callable[..., Sandbox], client: Client
) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000])
    sandbox.terminate()
    with pytest.raises(ConflictError, match="has ended"):
        sandbox.tunnels()


def test_a_sandbox_that_is_found_has_the_same_tunnels(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(unencrypted_ports=[7000], encrypted_ports=[7001])
    assert Sandbox.from_id(sandbox.object_id).tunnels() == sandbox.tunnels()


def test_a_tunnel_is_what_modal_has() -> None:
    tunnel = Tunnel("host", 443, "plain", 80)
    assert tunnel.url == "https://host"
    assert tunnel.tls_socket == ("host", 443)
    assert tunnel.tcp_socket == ("plain", 80)
    with pytest.raises(InvalidError, match="not encrypted"):
        tunnel.ssl_context()
    with pytest.raises(InvalidError, match="install the package trustme"):
        assert Tunnel("", 0, "plain", 80).url


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"encrypted_ports": 80}, "encrypted_ports=80 is an int, not a list"),
        ({"h2_ports": ["80"]}, "'80' is not a port"),
        ({"unencrypted_ports": [0]}, "0 is not a port"),
        ({"unencrypted_ports": [True]}, "True is not a port"),
        ({"encrypted_ports": [80], "h2_ports": [80]}, "port 80 is given twice"),
        ({"encrypted_ports": [80], "block_network": True}, "block_network=True"),
    ],
)
def test_what_cannot_be_opened_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        Sandbox.create(**arguments)


def test_a_negative_timeout_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidError, match="timeout=-1"):
        sandbox.tunnels(timeout=-1)
