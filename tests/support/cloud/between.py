"""What is between a client and a cloud: proxies, and a network that comes to a standstill."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Names that a proxy knows, and this machine does not.
NAMES = {"cloud.test": "127.0.0.2"}


class Between:
    """Forwards connections to where they want to go; made by `between`.

    Attributes:
        port: where it listens, at 127.0.0.1.
        targets: where connections went, as `HOST:PORT`.
        user: `NAME:PASSWORD` that it wants to be told; empty for none.
        forwarding: cleared, nothing gets through in either direction.
    """

    def __init__(self, kind: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._kind = kind
        self.targets: list[str] = []
        self.user = ""
        self.forwarding = threading.Event()
        self.forwarding.set()
        self._open: list[socket.socket] = [self._listening]

    def serve(self) -> None:
        """Take connections until it is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        self.forwarding.set()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self, connection: socket.socket) -> None:
        # Either end may be gone at any time, and both are when this is closed.
        with contextlib.suppress(OSError, ValueError, IndexError):
            target = self._by_http(connection) if self._kind == "http" else self._socks(connection)
            if target is None:
                connection.close()
                return
            self.targets.append(f"{target[0]}:{target[1]}")
            there = socket.create_connection((NAMES.get(target[0], target[0]), target[1]))
            self._open.append(there)
            connection.sendall(
                b"HTTP/1.1 200 go on\r\n\r\n"
                if self._kind == "http"
                else b"\x05\x00\x00\x01" + bytes(6)
            )
            self._forward(connection, there)

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        while True:
            readable, _, _ = select.select([one, other], [], [])
            self.forwarding.wait()
            for each in readable:
                data = each.recv(65536)
                (other if each is one else one).sendall(data)
                if not data:
                    one.close()
                    other.close()
                    return

    def _by_http(self, connection: socket.socket) -> tuple[str, int] | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        lines = head.decode().split("\r\n")
        if self.user:
            wanted = base64.b64encode(self.user.encode()).decode()
            if f"Proxy-Authorization: Basic {wanted}" not in lines:
                connection.sendall(b"HTTP/1.1 407 who are you\r\n\r\n")
                return None
        host, _, port = lines[0].split()[1].rpartition(":")
        return host, int(port)

    def _socks(self, connection: socket.socket) -> tuple[str, int] | None:
        _, count = connection.recv(2)
        wanted = 2 if self.user else 0
        if wanted not in connection.recv(count):
            connection.sendall(b"\x05\xff")
            return None
        connection.sendall(bytes([5, wanted]))
        if self.user:
            connection.recv(1)
            told = (connection.recv(connection.recv(1)[0]) for _ in range(2))
            if b":".join(told).decode() != self.user:
                connection.sendall(b"\x01\x01")
                return None
            connection.sendall(b"\x01\x00")
        kind = connection.recv(4)[3]
        if kind == 1:
            host = socket.inet_ntoa(connection.recv(4))
        else:
            host = connection.recv(connection.recv(1)[0]).decode()
        return host, int(struct.unpack("!H", connection.recv(2))[0])


@contextlib.contextmanager
def between(kind: str = "http") -> Iterator[Between]:
    """Something in between, for the length of a `with`.

    Args:
        kind: `http` or `socks`.
    """
    made = Between(kind)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join()
