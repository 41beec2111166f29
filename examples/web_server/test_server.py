"""The server, on its own machine in every test."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_sandbox import Sandbox

PORT = "8080"

CLIENT = f"""
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

method, name = sys.argv[1:]
body = sys.stdin.buffer.read() if method == "PUT" else None
try:
    answer = urlopen(Request("http://127.0.0.1:{PORT}/" + name, body, method=method), timeout=10)
except HTTPError as error:
    answer = error
print(answer.status)
sys.stdout.flush()
sys.stdout.buffer.write(answer.read())
"""


class Answer(NamedTuple):
    """The answer of the server."""

    status: int
    body: str


class Server:
    """The server in a sandbox, and a client beside it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        sandbox.filesystem.copy_from_local(Path(__file__).with_name("server.py"), "/srv/server.py")
        sandbox.filesystem.write_text(CLIENT, "/srv/client.py")

    def start(self) -> None:
        command = f"echo $$ > /srv/pid; exec python3 /srv/server.py /srv/values {PORT}"
        self.process = self.sandbox.exec("sh", "-c", command, bufsize=1)
        assert next(iter(self.process.stdout)) == f"listening on {PORT}\n"

    def kill(self) -> None:
        assert self.sandbox.exec("sh", "-c", "kill -KILL $(cat /srv/pid)").wait() == 0
        assert self.process.wait() == 137

    def ask(self, method: str, name: str, body: str = "") -> Answer:
        client = self.sandbox.exec("python3", "/srv/client.py", method, name)
        client.stdin.write(body)
        client.stdin.write_eof()
        client.stdin.drain()
        status, _, answer = client.stdout.read().partition("\n")
        return Answer(int(status), answer)


@pytest.fixture
def server(sandbox: Sandbox) -> Server:
    server = Server(sandbox)
    server.start()
    return server


def test_a_value_is_kept(server: Server) -> None:
    assert server.ask("PUT", "colour", "green") == Answer(204, "")
    assert server.ask("GET", "colour") == Answer(200, "green")


def test_an_unknown_value_is_not_found(server: Server) -> None:
    assert server.ask("GET", "nothing") == Answer(404, "no such value\n")


def test_no_name_leads_out_of_the_folder(server: Server) -> None:
    assert server.ask("GET", "../server.py").status == 404


def test_values_survive_a_kill(server: Server) -> None:
    server.ask("PUT", "colour", "green")
    server.kill()
    server.start()

    assert server.ask("GET", "colour").body == "green"


def test_a_second_server_says_what_is_wrong(server: Server) -> None:
    second = server.sandbox.exec("python3", "/srv/server.py", "/srv/values", PORT)

    assert second.wait() == 1
    assert second.stderr.read() == f"port {PORT}: Address already in use\n"


def test_every_machine_has_the_port_to_itself(sandbox_factory: Callable[..., Sandbox]) -> None:
    one, other = Server(sandbox_factory()), Server(sandbox_factory())
    one.start()
    other.start()
    one.ask("PUT", "colour", "green")

    assert one.ask("GET", "colour").status == 200
    assert other.ask("GET", "colour").status == 404
