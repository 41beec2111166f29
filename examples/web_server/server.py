"""Keeps values over HTTP: `PUT /name` stores the body, `GET /name` gives it back."""

import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    folder: Path

    @property
    def value(self) -> Path:
        return self.folder / quote(self.path.removeprefix("/"), safe="")

    def do_PUT(self) -> None:
        """Store the body; it is on disk before the answer goes out."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fresh = self.value.with_suffix(".new")
        fresh.write_bytes(body)
        fresh.rename(self.value)
        self.answer(204)

    def do_GET(self) -> None:
        """Give the value."""
        try:
            self.answer(200, self.value.read_bytes())
        except FileNotFoundError:
            self.answer(404, b"no such value\n")

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str]) -> int:
    """Serve the values of a folder on a port until killed."""
    Handler.folder, port = Path(arguments[0]), int(arguments[1])
    Handler.folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        print(f"port {port}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"listening on {port}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
