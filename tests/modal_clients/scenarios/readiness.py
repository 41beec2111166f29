"""Readiness probes, which newer clients have."""

import modal
import pytest

SERVER = """
import socket, time
time.sleep(0.5)
server = socket.create_server(("127.0.0.1", 8080))
while True:
    server.accept()
"""


def test_a_port(create):
    create("python3", "-c", SERVER, readiness_probe=modal.Probe.with_tcp(8080)).wait_until_ready()


def test_a_command(create):
    probe = modal.Probe.with_exec("sh", "-c", "test -f /tmp/ready")
    sandbox = create(readiness_probe=probe)
    sandbox.exec("sh", "-c", "sleep 0.5; touch /tmp/ready").wait()
    sandbox.wait_until_ready(timeout=10)


def test_not_in_time(create):
    sandbox = create(readiness_probe=modal.Probe.with_tcp(8080))
    with pytest.raises(modal.exception.TimeoutError):
        sandbox.wait_until_ready(timeout=1)


def test_no_probe(sandbox):
    with pytest.raises(modal.exception.ConflictError):
        sandbox.wait_until_ready(timeout=1)


def test_ended(create):
    sandbox = create(readiness_probe=modal.Probe.with_tcp(8080))
    sandbox.terminate()
    with pytest.raises(modal.exception.ConflictError):
        sandbox.wait_until_ready(timeout=1)
