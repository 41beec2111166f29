"""Ports, volumes, and scripts for some sandboxes only."""

import socket
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pytest_sandbox import Probe, Sandbox, Volume, exceptions
from pytest_sandbox.fakes import ANY, Peer
from pytest_sandbox.inmemory import FakeSandboxes


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    with FakeSandboxes(seed="a test") as sandboxes:
        yield sandboxes


def connect(sandbox: Sandbox, port: int) -> socket.socket:
    """A connection through a tunnel."""
    return socket.create_connection(sandbox.tunnels()[port].tcp_socket)


def answer(sandbox: Sandbox, port: int) -> bytes:
    with connect(sandbox, port) as connection, connection.makefile("rb") as file:
        return file.read()


def test_a_tunnel_leads_to_a_scripted_port(fake: FakeSandboxes) -> None:
    fake.on_connect(8000).http(200, "hello", {"X-Made-By": "a test"})
    sandbox = Sandbox.create(unencrypted_ports=[8000])
    host, port = sandbox.tunnels()[8000].tcp_socket
    with urllib.request.urlopen(f"http://{host}:{port}/") as response:
        assert (response.read(), response.headers["X-Made-By"]) == (b"hello", "a test")
    assert fake.violations() == []


def test_a_handler_of_a_port_talks_and_writes_files(fake: FakeSandboxes) -> None:
    async def handler(peer: Peer) -> None:
        line = await peer.readline()
        peer.files.write("/srv/seen", line)
        await peer.write(b"seen\n")

    fake.on_connect(ANY).calls(handler)
    sandbox = Sandbox.create(unencrypted_ports=[1234])
    with connect(sandbox, 1234) as connection:
        connection.sendall(b"word\n")
        assert connection.recv(100) == b"seen\n"
    assert fake.filesystem(sandbox).read_text("/srv/seen") == "word\n"


def test_ports_are_scripted_for_some_sandboxes_only(fake: FakeSandboxes) -> None:
    one = Sandbox.create(name="one", unencrypted_ports=[1])
    two = Sandbox.create(unencrypted_ports=[1])
    two.set_tags({"kind": "db"})
    fake.on_connect(1).reply("any")
    fake.on_connect(1, sandbox="one").reply("one").optional()
    fake.on_connect(1, tags={"kind": "db"}).reply("db")
    assert (answer(one, 1), answer(two, 1)) == (b"one", b"db")
    fake.on_connect(1, sandbox=two).reply("two")
    assert (answer(one, 1), answer(two, 1)) == (b"one", b"two")
    (told,) = fake.violations()
    assert "the script for port 1 (test_scripts_by_sandbox.py:" in told


def test_an_unscripted_connection_is_a_violation(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create(unencrypted_ports=[5000])
    with connect(sandbox, 5000) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    (told,) = fake.violations()
    assert "unscripted connection: port 5000" in told
    fake.allow("unscripted-connections")
    assert fake.violations() == []


def test_the_main_process_of_a_sandbox_is_scripted_by_name(fake: FakeSandboxes) -> None:
    fake.on_exec("serve").reply(stdout="any\n")
    fake.on_exec("serve", sandbox="one").reply(stdout="one\n")
    fake.on_exec("serve", tags={"kind": "db"}).reply(stdout="db\n").optional()
    said = []
    for sandbox in (Sandbox.create("serve", name="one"), Sandbox.create("serve")):
        sandbox.wait()
        said.append(sandbox.stdout.read())
    assert said == ["one\n", "any\n"]
    assert fake.violations() == []


def test_tags_that_were_set_later_count(fake: FakeSandboxes) -> None:
    sandbox = Sandbox.create()
    fake.on_exec("x", tags={"kind": "web"}).reply(stdout="web")
    sandbox.set_tags({"kind": "web"})
    assert sandbox.run("x").stdout == "web"


def test_a_volume_is_read_and_written_by_the_test(fake: FakeSandboxes) -> None:
    fake.volume("data").write("in.txt", "from the test")
    volume = Volume.from_name("data", create_if_missing=True)
    sandbox = Sandbox.create(volumes={"/data": volume, "/ro": volume.read_only()})
    assert sandbox.run("cat", "/ro/in.txt").stdout == "from the test"
    sandbox.run("sh", "-c", "echo back > /data/out.txt", check=True)
    assert sandbox.run("sh", "-c", "echo x > /ro/out.txt").returncode != 0
    assert fake.volume("data").read_text("out.txt") == "back\n"
    assert fake.volume(volume).listdir("/") == ["in.txt", "out.txt"]
    assert sandbox.run("ls", "/data").stdout == "in.txt\nout.txt\n"


def test_an_ephemeral_volume_is_found_by_itself(fake: FakeSandboxes) -> None:
    with Volume.ephemeral() as volume:
        sandbox = Sandbox.create(volumes={"/data": volume})
        sandbox.run("touch", "/data/f", check=True)
        assert fake.volume(volume).listdir("/") == ["f"]


def test_a_volume_that_was_not_looked_up_has_no_files_yet(fake: FakeSandboxes) -> None:
    assert fake.volume(Volume.from_name("new")).listdir("/") == []
    assert Volume.from_name("new").hydrate().object_id.startswith("vo-")
    with pytest.raises(exceptions.NotFoundError):
        Volume.from_name("other").hydrate()


def test_a_scripted_port_is_reached_by_a_connect_token(fake: FakeSandboxes) -> None:
    fake.on_connect(8080).http(200, "hello")
    credentials = Sandbox.create().create_connect_token("alice")
    address = urlsplit(credentials.url).netloc
    for headers, status in (({"Authorization": f"Bearer {credentials.token}"}, 200), ({}, 401)):
        connection = HTTPConnection(address, timeout=20)
        connection.request("GET", "/", headers=headers)
        response = connection.getresponse()
        assert response.status == status
        assert (response.read() == b"hello") == (status == 200)
        connection.close()


def test_a_scripted_port_is_reached_from_networks_of_the_list(fake: FakeSandboxes) -> None:
    fake.on_connect(8080).http(200, "hello")
    sandbox = Sandbox.create(unencrypted_ports=[8080], inbound_cidr_allowlist=["::1/128"])
    with connect(sandbox, 8080) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    (description,) = fake.client.batch([sandbox.object_id]).describe(0).values()
    assert not isinstance(description, Exception)
    assert len(description.refused) == 1


def test_a_scripted_port_makes_a_sandbox_ready(fake: FakeSandboxes) -> None:
    fake.on_connect(8080).http(200, "hello")
    fake.on_connect(8080).refuse().times(3)
    sandbox = Sandbox.create(readiness_probe=Probe.with_tcp(8080))
    sandbox.wait_until_ready(timeout=5)
