"""A shop over HTTP: `GET /stock/7` tells the stock of product 7, `POST /orders/7` orders one."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STOCK = "SELECT stock FROM products WHERE id = {0}"
ORDER = "UPDATE products SET stock = stock - 1 WHERE id = {0} AND stock > 0 RETURNING stock"
#: Seconds for the database to answer.
TIMEOUT = 2


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        self.answer("stock", STOCK)

    def do_POST(self) -> None:
        self.answer("orders", ORDER)

    def answer(self, kind: str, statement: str) -> None:
        _, given, number = f"{self.path}//".split("/")[:3]
        if given != kind or not number.isdigit():
            self.say(404, "no such page")
            return
        psql = ["psql", "-h", "db", "-U", "postgres", "-qAt", "-c", statement.format(number)]
        try:
            done = subprocess.run(psql, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.say(504, "the database is slow")
            return
        if done.returncode:
            self.say(503, "there is no database")
        else:
            self.say(200 if done.stdout else 409, done.stdout.strip() or "none left")

    def say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
