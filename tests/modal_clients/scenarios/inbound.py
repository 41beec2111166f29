"""Which addresses may connect to a sandbox, which newer clients can say."""

import socket
import urllib.error
import urllib.request

import modal
import pytest

SERVER = """
import http.server
http.server.HTTPServer(("127.0.0.1", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_tunnel_and_a_token(create):
    sandbox = create(
        "python3", "-c", SERVER,
        unencrypted_ports=[8080],
        inbound_cidr_allowlist=["127.0.0.5/32"],
        readiness_probe=modal.Probe.with_tcp(8080),
    )  # fmt: skip
    sandbox.wait_until_ready()
    address = sandbox.tunnels()[8080].tcp_socket

    with socket.create_connection(address, source_address=("127.0.0.5", 0)) as allowed:
        allowed.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert allowed.recv(8) == b"HTTP/1.0"
    with socket.create_connection(address) as refused, pytest.raises(ConnectionResetError):
        refused.recv(1)
    credentials = sandbox.create_connect_token()
    request = urllib.request.Request(credentials.url)
    request.add_header("Authorization", f"Bearer {credentials.token}")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_what_makes_no_sense(create):
    with pytest.raises(modal.exception.InvalidError, match=r"did you mean '10.0.0.0/8'"):
        create(inbound_cidr_allowlist=["10.0.0.1/8"])
    with pytest.raises(modal.exception.InvalidError, match="block_network"):
        create(inbound_cidr_allowlist=["10.0.0.0/8"], block_network=True)
