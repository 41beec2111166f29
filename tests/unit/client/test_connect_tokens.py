"""Connect tokens: HTTP/1.1 and WebSockets to a port of a sandbox."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import socket
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pytest_sandbox.client import Client, Sandbox, SandboxConnectCredentials
from pytest_sandbox.client.exceptions import ConflictError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Answers with what it was asked, and speaks just enough of WebSockets to echo one short message.
SERVER = """
import base64, hashlib, http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        if self.headers.get("Upgrade"):
            return self.talk()
        size, chunks = int(self.headers.get("Content-Length", 0)), []
        if self.headers.get("Transfer-Encoding") == "chunked":
            while part := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(part))
                self.rfile.readline()
            self.rfile.readline()
        told = {
            "line": self.requestline, "headers": self.headers.items(),
            "body": (b"".join(chunks) or self.rfile.read(size)).decode(),
        }
        data = json.dumps(told).encode()
        self.send_response(200)
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            data = b"%x\\r\\n%s\\r\\n0\\r\\n\\r\\n" % (len(data), data)
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data)
    do_GET = do_POST = do_PUT = do_HEAD = answer
    def talk(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        size = self.rfile.read(2)[1] & 127
        mask, masked = self.rfile.read(4), self.rfile.read(size)
        self.wfile.write(bytes([0x81, size]) + bytes(b ^ mask[i % 4] for i, b in enumerate(masked)))
        self.close_connection = True
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("up", flush=True)
server.serve_forever()
"""
USER = {"user": "älice"}


@pytest.fixture(scope="module")
def served(client: Client) -> Iterator[Sandbox]:
    """A sandbox with a server."""
    sandbox = Sandbox.create(client=client)
    process = sandbox.exec(sys.executable, "-I", "-c", SERVER, "8080")
    assert next(iter(process.stdout)) == "up\n"
    yield sandbox
    sandbox.terminate()


def ask(
    credentials: SandboxConnectCredentials,
    method: str = "GET",
    path: str = "/",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(credentials.url).netloc, timeout=20)
    given = {"Authorization": f"Bearer {credentials.token}"} if headers is None else headers
    connection.request(method, path, headers=given, **more)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, json.loads(data) if response.status == 200 and data else data


def header(told: Any, name: str) -> list[str]:
    return [value for field, value in told["headers"] if field.lower() == name.lower()]


def test_a_request_reaches_the_port_with_the_verified_user(served: Sandbox, call: Any) -> None:
    credentials = call(served.create_connect_token, USER)
    status, told = ask(credentials, "POST", "/path?a=1", body="hello")
    assert (status, told["line"], told["body"]) == (200, "POST /path?a=1 HTTP/1.1", "hello")
    assert header(told, "X-Verified-User-Data") == [json.dumps(USER)]
    assert header(told, "Authorization") == []
    assert credentials.token not in repr(credentials)


def test_the_verified_user_cannot_be_forged(served: Sandbox) -> None:
    credentials = served.create_connect_token("alice")
    bearer = f"Bearer {credentials.token}"
    for name in ("X-Verified-User-Data", "x-verified-user-data", "X_Verified_User_Data"):
        _, told = ask(credentials, headers={"Authorization": bearer, name: "root"})
        assert header(told, "X-Verified-User-Data") == ["alice"]
        assert "root" not in json.dumps(told)
    anonymous = served.create_connect_token()
    bearer = f"Bearer {anonymous.token}"
    _, told = ask(anonymous, headers={"Authorization": bearer, "X-Verified-User-Data": "root"})
    assert header(told, "X-Verified-User-Data") == []


def test_the_token_may_be_in_the_query_or_a_cookie(served: Sandbox) -> None:
    credentials = served.create_connect_token("alice")
    own = {"Authorization": "Bearer the-program's-own"}
    _, told = ask(
        credentials, path=f"/x?a=1&_modal_connect_token={credentials.token}&b=2", headers=own
    )
    assert told["line"] == "GET /x?a=1&b=2 HTTP/1.1"
    assert header(told, "Authorization") == ["Bearer the-program's-own"]
    cookie = {"Cookie": f"a=1; _modal_connect_token={credentials.token}; b=2"}
    _, told = ask(credentials, headers=cookie)
    assert header(told, "Cookie") == ["a=1; b=2"]
    assert credentials.token not in json.dumps(told)


def test_without_the_token_of_this_sandbox_nothing_gets_in(
    served: Sandbox, sandboxes: Callable[..., Sandbox]
) -> None:
    credentials = served.create_connect_token()
    other = sandboxes().create_connect_token()
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {other.token}"}):
        status, text = ask(credentials, headers=headers)
        assert status == 401
        assert b"connect token" in text


def test_a_port_that_nothing_listens_on(served: Sandbox) -> None:
    status, text = ask(served.create_connect_token(port=9))
    assert (status, text) == (502, b"nothing listens on port 9 of the sandbox\n")


def test_bodies_in_chunks_and_methods_without_a_body(served: Sandbox) -> None:
    credentials = served.create_connect_token()
    parts = iter([b"one", b"two" * 50_000])
    status, told = ask(credentials, "PUT", body=parts, encode_chunked=True)
    assert (status, told["body"]) == (200, "one" + "two" * 50_000)
    assert ask(credentials, "HEAD") == (200, b"")
    assert ask(credentials, path="/chunked")[1]["line"] == "GET /chunked HTTP/1.1"


def talk(credentials: SandboxConnectCredentials, text: bytes) -> bytes:
    """All that a server answers."""
    host, port = urlsplit(credentials.url).netloc.split(":")
    with socket.create_connection((host, int(port)), 20) as sock:
        sock.sendall(text.replace(b"TOKEN", credentials.token.encode()))
        answer = b""
        while data := sock.recv(65536):
            answer += data
    return answer


def test_a_second_request_on_the_connection_is_not_passed_on(served: Sandbox) -> None:
    credentials = served.create_connect_token("alice")
    answer = talk(
        credentials,
        b"GET /first HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n\r\n"
        b"GET /second HTTP/1.1\r\nHost: x\r\nX-Verified-User-Data: root\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"/second" not in answer
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Transfer-Encoding: xchunked",
        b"Content-Length: +1",
        b"X-Verified-User-Data : root",
        b"A: b\nX-Verified-User-Data: root",
        b" folded",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(
    served: Sandbox, fields: bytes
) -> None:
    head = b"GET / HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n%s\r\n\r\n" % fields
    assert talk(served.create_connect_token(), head).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("line", [b"CONNECT x:1 HTTP/1.1", b"GET / HTTP/2.0", b"\x16\x03\x01"])
def test_what_is_no_request_is_refused(served: Sandbox, line: bytes) -> None:
    head = line + b"\r\nAuthorization: Bearer TOKEN\r\n\r\n"
    assert talk(served.create_connect_token(), head).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_websockets(served: Sandbox) -> None:
    credentials = served.create_connect_token()
    key = base64.b64encode(bytes(16))
    mask, text = b"\x01\x02\x03\x04", b"hello"
    frame = bytes([0x81, 0x80 | len(text)]) + mask
    frame += bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
    answer = talk(
        credentials,
        b"GET /?_modal_connect_token=TOKEN HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n%s"
        % (key, frame),
    )
    accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert base64.b64encode(accept) in answer
    assert answer.endswith(b"\r\n\r\n\x81\x05hello")


def test_a_switch_to_http_2_is_not_passed_on(served: Sandbox) -> None:
    credentials = served.create_connect_token()
    bearer = f"Bearer {credentials.token}"
    headers = {"Authorization": bearer, "Upgrade": "h2c", "HTTP2-Settings": "AA"}
    status, told = ask(credentials, headers=headers)
    assert status == 200
    assert header(told, "Upgrade") == header(told, "HTTP2-Settings") == []


def test_a_sandbox_with_its_network_blocked_has_none(sandboxes: Callable[..., Sandbox]) -> None:
    with pytest.raises(ConflictError, match="has block_network"):
        sandboxes(block_network=True).create_connect_token()


def test_it_ends_with_the_sandbox(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    sandbox = sandboxes()
    credentials = call(sandbox.create_connect_token)
    sandbox.terminate()
    with pytest.raises(ConnectionRefusedError):
        ask(credentials)
    with pytest.raises(ConflictError, match="has ended"):
        call(sandbox.create_connect_token)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"port": 0}, "port=0"),
        ({"port": 65536}, "port=65536"),
        ({"port": "80"}, "port='80'"),
        ({"user_metadata": 5}, "user_metadata=5"),
        ({"user_metadata": {"x": object()}}, "JSON"),
        ({"user_metadata": "x" * 513}, "at most 512 characters"),
        ({"user_metadata": "x\r\nX-Evil: y"}, "control characters"),
    ],
)
def test_arguments_that_make_no_sense(served: Sandbox, arguments: Any, word: str) -> None:
    with pytest.raises(InvalidError, match=word):
        served.create_connect_token(**arguments)
