"""Ports of a sandbox, reached from this machine."""

import socket
import ssl
import urllib.error
import urllib.request
import warnings

import pytest

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.server.server_port} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("up", flush=True)
server.serve_forever()
"""


def serve(sandbox, port):
    process = sandbox.exec("python3", "-c", SERVER, str(port))
    assert next(iter(process.stdout)).strip() == "up"


def test_no_ports_no_tunnels(sandbox):
    assert sandbox.tunnels() == {}


def test_a_plain_port(create):
    sandbox = create(unencrypted_ports=[8000])
    serve(sandbox, 8000)
    host, port = sandbox.tunnels()[8000].tcp_socket

    with urllib.request.urlopen(f"http://{host}:{port}/path") as response:
        assert response.read() == b"8000 /path"


def test_a_plain_port_over_tls(create):
    sandbox = create(unencrypted_ports=[8000])
    serve(sandbox, 8000)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer clients say that this will not always work
        url = sandbox.tunnels()[8000].url
    with urllib.request.urlopen(f"{url}/path") as response:
        assert response.read() == b"8000 /path"


def test_a_connect_token(create):
    sandbox = create()
    serve(sandbox, 8080)
    credentials = sandbox.create_connect_token(user_metadata={"user": "alice"})
    assert credentials.url.startswith("https://")

    request = urllib.request.Request(f"{credentials.url}/path")
    request.add_header("Authorization", f"Bearer {credentials.token}")
    with urllib.request.urlopen(request) as response:
        assert response.read() == b"8080 /path"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(credentials.url)


def test_a_client_that_assumes_port_443(create):
    sandbox = create(encrypted_ports=[8443])
    serve(sandbox, 8443)
    tunnel = sandbox.tunnels()[8443]
    # It is another one where 443 may not be bound, and where programs use a proxy.
    port = "" if tunnel.port == 443 else f":{tunnel.port}"

    with urllib.request.urlopen(f"https://{tunnel.host}{port}/path") as response:
        assert response.read() == b"8443 /path"


def test_an_encrypted_port_beside_a_plain_one(create):
    sandbox = create(encrypted_ports=[8443], unencrypted_ports=[8080])
    for port in (8443, 8080):
        serve(sandbox, port)
    tunnels = sandbox.tunnels()
    assert set(tunnels) == {8443, 8080}

    # It trusts what `SSL_CERT_FILE` names, as every program does that was started with it.
    with urllib.request.urlopen(f"{tunnels[8443].url}/secret") as response:
        assert response.read() == b"8443 /secret"


def test_http_2_is_offered_where_it_was_asked_for(create):
    tunnel = create(h2_ports=[50051]).tunnels()[50051]
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])

    with (
        socket.create_connection(tunnel.tls_socket) as plain,
        context.wrap_socket(plain, server_hostname=tunnel.host) as encrypted,
    ):
        assert encrypted.selected_alpn_protocol() == "h2"


def test_tunnels_end_with_the_sandbox(create):
    sandbox = create(unencrypted_ports=[8000])
    address = sandbox.tunnels()[8000].tcp_socket
    sandbox.terminate()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
