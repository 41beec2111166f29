"""`readiness_probe` and `Sandbox.wait_until_ready`, on real sandboxes and in memory."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.client import Probe, Sandbox
from pytest_sandbox.client.exceptions import ConflictError, InvalidError
from pytest_sandbox.client.exceptions import TimeoutError as NotInTime

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = """
import socket, time
time.sleep(0.3)
server = socket.create_server(("127.0.0.1", 8000))
while True:
    server.accept()
"""


def test_a_port_that_opens_later(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    main = (sys.executable, "-I", "-c", SERVER)
    sandbox = sandboxes(*main, readiness_probe=Probe.with_tcp(8000, interval_ms=20))
    call(sandbox.wait_until_ready)
    call(sandbox.wait_until_ready, timeout=60)


def test_a_command_that_succeeds_later(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    probe = Probe.with_exec("test", "-e", "/tmp/ready")
    sandbox = sandboxes("sh", "-c", "sleep 0.3; touch /tmp/ready; sleep 60", readiness_probe=probe)
    call(sandbox.wait_until_ready)
    assert sandbox.run("test", "-e", "/tmp/ready").returncode == 0


def test_what_takes_too_long(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    sandbox = sandboxes(readiness_probe=Probe.with_tcp(8000))
    began = time.monotonic()
    with pytest.raises(NotInTime, match=r"not ready after 1 s: its probe, tcp 8000, .*refused"):
        call(sandbox.wait_until_ready, timeout=1)
    assert time.monotonic() - began < 10  # it was 21


def test_what_ends_before(sandboxes: Callable[..., Sandbox], call: Any) -> None:
    sandbox = sandboxes("sleep", "0.3", readiness_probe=Probe.with_tcp(8000))
    with pytest.raises(ConflictError, match="has ended"):
        call(sandbox.wait_until_ready)


def test_without_a_probe(sandbox: Sandbox, call: Any) -> None:
    with pytest.raises(ConflictError, match="has no readiness_probe"):
        call(sandbox.wait_until_ready)


@pytest.mark.parametrize("timeout", [0, -1, 1.5, True])
def test_times_that_make_no_sense(sandbox: Sandbox, timeout: Any) -> None:
    with pytest.raises(InvalidError, match="timeout="):
        sandbox.wait_until_ready(timeout=timeout)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Probe.with_tcp(0),
        lambda: Probe.with_tcp(65536),
        lambda: Probe.with_tcp("80"),  # type: ignore[arg-type]
        lambda: Probe.with_tcp(80, interval_ms=0),
        lambda: Probe.with_exec(),
        lambda: Probe.with_exec("true", 1),  # type: ignore[arg-type]
        lambda: Probe.with_exec("true", interval_ms=-1),
        lambda: Probe(),
        lambda: Probe(80, ("true",)),
        lambda: Sandbox.create(readiness_probe=80),  # type: ignore[arg-type]
    ],
)
def test_probes_that_make_no_sense(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidError):
        make()
