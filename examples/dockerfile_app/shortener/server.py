"""Redirects `/name` to the address that it stands for."""

import os
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .links import Links


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    links: Links

    def do_GET(self) -> None:
        """Redirect, or say that there is no such name."""
        address = self.links.find(self.path)
        self.send_response(404 if address is None else 302)
        if address is not None:
            self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()


def check(port: int) -> int:
    """Whether a server answers; 0 if it does."""
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        return 0 if connection.getresponse().status == 404 else 1
    except OSError:
        return 1


def main() -> None:
    """Serve until killed, or with `--check` ask a server."""
    port = int(os.environ["PORT"])
    if sys.argv[1:] == ["--check"]:
        sys.exit(check(port))
    Handler.links = Links(Path(os.environ["LINKS"]))
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"listening on {port}", flush=True)
    server.serve_forever()
