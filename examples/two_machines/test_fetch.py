"""The program that fetches, and the server, each on a machine of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_sandbox import CompletedCommand, NetworkFaults, Sandbox
from pytest_sandbox.plugin import SandboxNetworkLog

PAGE = "<title>Welcome</title>\n"
SERVE = """
import http.server, os
os.chdir("/srv/pages")
server = http.server.HTTPServer(("127.0.0.1", 80), http.server.SimpleHTTPRequestHandler)
print("ready", flush=True)
server.serve_forever()
"""

pytestmark = pytest.mark.sandbox(network="test")


@pytest.fixture
def web(sandbox_factory: Callable[..., Sandbox]) -> Sandbox:
    """A server, which others in the network of the test know as `web`."""
    sandbox = sandbox_factory(alias="web")
    sandbox.filesystem.write_text(PAGE, "/srv/pages/index.html")
    assert next(iter(sandbox.exec("python3", "-c", SERVE, bufsize=1).stdout)) == "ready\n"
    return sandbox


def fetch(sandbox: Sandbox) -> CompletedCommand[str]:
    """What the program says of `http://web/`."""
    sandbox.filesystem.copy_from_local(Path(__file__).with_name("fetch.py"), "/srv/fetch.py")
    return sandbox.run("python3", "/srv/fetch.py", "http://web/")


def test_a_page(web: Sandbox, sandbox: Sandbox, sandbox_network_log: SandboxNetworkLog) -> None:
    assert fetch(sandbox).stdout == PAGE
    (connection,) = sandbox_network_log.connections()
    assert (connection.name, connection.port, connection.verdict) == ("web", 80, "allowed")


def test_there_is_no_server(sandbox: Sandbox) -> None:
    assert fetch(sandbox).stderr.startswith("no answer: ")


def test_the_server_is_gone(web: Sandbox, sandbox: Sandbox) -> None:
    web.terminate()
    assert fetch(sandbox).stderr.startswith("no answer: ")


def test_the_server_is_slow(
    web: Sandbox, sandbox: Sandbox, sandbox_network_faults: NetworkFaults
) -> None:
    sandbox_network_faults.on("web").delay(2)
    assert fetch(sandbox).stderr == "the server is too slow\n"


def test_the_link_breaks(
    web: Sandbox, sandbox: Sandbox, sandbox_network_faults: NetworkFaults
) -> None:
    sandbox_network_faults.on("web", port=80).reset(after_bytes=50)
    assert fetch(sandbox).stderr.startswith("no answer: ")
