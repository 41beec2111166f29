"""A tunnel into a sandbox is for the user who runs the tests, and for no other of the machine."""

import os
import socket
import subprocess

import pytest

from pytest_sandbox import Client, Probe, Sandbox
from pytest_sandbox._run import Run

SERVE = """
import socket
server = socket.create_server(("127.0.0.1", 7000))
while True:
    server.accept()[0].sendall(b"hello")
"""
CONNECT = "exec 3<>/dev/tcp/127.0.0.1/$0 && head -c5 <&3"


def as_another_user(command: list[str]) -> str:
    """What a command prints that runs with an id that is not ours."""
    if os.geteuid() != 0:  # one of our subordinate ids
        command = ["unshare", "--user", "--map-auto", "--setuid=5", "--setgid=5", *command]
    user = 1500 if os.geteuid() == 0 else None
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)
    if "/etc/subuid" in done.stderr:
        pytest.skip(f"needs root, or subordinate ids: {done.stderr.strip()}")
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "Connection reset by peer"), ({"tunnels": "everybody"}, "hello")],
    ids=["own", "everybody"],
)
def test_other_users_get_into_no_tunnel(options: dict[str, str], expected: str) -> None:
    run = Run.create()
    try:
        client = Client(run.start("local", options).socket)
        probe = Probe.with_tcp(7000)
        sandbox = Sandbox.create(
            "python3", "-c", SERVE,
            unencrypted_ports=[7000], readiness_probe=probe, client=client,
        )  # fmt: skip
        sandbox.wait_until_ready()
        address = sandbox.tunnels()[7000].tcp_socket
        with socket.create_connection(address) as ours:
            assert ours.recv(5) == b"hello"
        assert expected in as_another_user(["bash", "-c", CONNECT, str(address[1])])
        client.close()
    finally:
        run.close()
