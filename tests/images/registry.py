"""A registry in this process, honest unless a test says otherwise."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl

    from .made import Made

#: Says whether it has answered a request.
Answer = Callable[["Handler"], bool]


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Registry:
    """A registry.

    Attributes:
        port: of the loopback interface.
        images: by `repository:tag`.
        answers: by the beginning of a path; the first one that fits is asked first.
        asked: all requests.
        login: `user:password` that it wants.
        bearer: whether it wants tokens, which its own `/token` gives.
    """

    port: int
    images: dict[str, Made] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    login: str = ""
    bearer: bool = False
    tokens: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, made: Made) -> str:
        """The name of an image that it has from now on."""
        self.images[name] = made
        return f"{self.host}/{name}"

    def paths(self, part: str = "") -> list[str]:
        return [each.path for each in self.asked if part in each.path]

    def basic(self) -> str:
        return f"Basic {base64.b64encode(self.login.encode()).decode()}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def handle(self) -> None:
        with suppress(OSError):  # of a client that had enough, or speaks no TLS
            super().handle()

    def log_message(self, *args: object) -> None: ...

    def reply(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        return True

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        registry = self.registry
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        registry.asked.append(Asked(self.command, self.path, dict(self.headers), body))
        try:
            for start, answer in list(registry.answers.items()):
                if self.path.startswith(start) and answer(self):
                    return
            if self.path.startswith("/token"):
                self.give_token(body)
            elif self.allowed():
                self.give()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def allowed(self) -> bool:
        registry = self.registry
        sent = self.headers.get("Authorization", "")
        if registry.bearer:
            if sent == f"Bearer t{registry.tokens}":
                return True
            scope = f"repository:{self.path.split('/')[2]}:pull"
            wants = f'Bearer realm="http://{registry.host}/token",service="s",scope="{scope}"'
        elif registry.login:
            if sent == registry.basic():
                return True
            wants = 'Basic realm="x"'
        else:
            return True
        self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": wants})
        return False

    def give_token(self, body: bytes) -> None:
        registry = self.registry
        form = parse_qs(body.decode())
        by_identity = form.get("refresh_token") == ["identity"]
        known = by_identity or self.headers.get("Authorization") == registry.basic()
        if registry.login and not known:
            self.reply(401)
            return
        registry.tokens += 1
        self.reply(200, json.dumps({"token": f"t{registry.tokens}"}).encode())

    def give(self) -> None:
        _, _, *name, kind, version = urlsplit(self.path).path.split("/")
        repository = "/".join(name)
        for known, made in self.registry.images.items():
            if known.partition(":")[0] == repository:
                data = made.top if known == f"{repository}:{version}" else made.blobs.get(version)
                if data is not None:
                    self.give_part(data, made.media_type if kind == "manifests" else "")
                    return
        self.reply(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}')

    def give_part(self, data: bytes, media_type: str) -> None:
        headers: dict[str, str] = {"Content-Type": media_type} if media_type else {}
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start = int(wanted[6:].partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply(206, data[start:], headers)
        else:
            self.reply(200, data, headers)


def always(status: int, data: bytes = b"", **headers: str) -> Answer:
    """An answer that does not change."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(status, data, named)


def times(count: int, answer: Answer) -> Answer:
    """An answer so many times; then the honest one."""
    left = iter(range(count))
    return lambda handler: next(left, None) is not None and answer(handler)


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Registry]:
    """A registry on a port of its own, until the block ends."""
    handler: Any = type("Own", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        # Not by the thread that accepts connections, which one without TLS would hold up.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    server.daemon_threads = True
    handler.registry = Registry(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield handler.registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
