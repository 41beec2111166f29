"""What sandboxes connected to: in the report of a failing test, and for the test itself."""

import os

import pytest

from pytest_sandbox._proto.inspector_pb2 import (
    InspectorDescribeResponse,
    SandboxCommand,
    SandboxConnection,
    SandboxRefusedConnections,
)
from pytest_sandbox.plugin.network_log import network_lines
from pytest_sandbox.plugin.reports.network_hint import _TEXTS, network_hint

TESTS = """
    import pytest

    CONNECT = '''
    import socket, sys
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2]))).recv(1)
    except OSError as error:
        print(type(error).__name__)
    '''

    @pytest.mark.sandbox(cidr_allowlist=["10.0.0.0/8"])
    def test_denied(sandbox):
        assert sandbox.run("python3", "-c", CONNECT, "192.0.2.1", "80").stdout == "connected"

    @pytest.mark.sandbox(outbound_domain_allowlist=["example.com"])
    def test_name(sandbox):
        sandbox.run("python3", "-c", CONNECT, "other.example", "443", check=True)
        assert not "reached"

    @pytest.mark.sandbox(cidr_allowlist=["10.0.0.0/8"])
    def test_log(sandbox_factory, sandbox_network_log):
        assert sandbox_network_log.connections() == []
        for _ in range(2):
            sandbox = sandbox_factory()
            sandbox.run("python3", "-c", CONNECT, "192.0.2.1", "80")
        sandbox.terminate()
        first, second = sandbox_network_log.connections()
        assert first.sandbox_id != second.sandbox_id == sandbox.object_id
        assert (first.host, first.port, first.verdict) == ("192.0.2.1", 80, "denied")
        assert sandbox_network_log.left_out() == 0

    def test_in_memory(sandbox, sandbox_network_log, fake_sandboxes):
        assert sandbox_network_log.connections() == []
"""


def test_denied_connections_are_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest()
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*sandbox sb-*",
            "connection denied: 192.0.2.1 port 80: no network that is allowed contains it",
            '    what allows it: *(cidr_allowlist=[[]"10.0.0.0/8", "192.0.2.1/32"])',
            "*sandbox sb-*",
            "connection denied: the name other.example*: no domain that is allowed is this name",
            '*what allows it: *(outbound_domain_allowlist=[[]"example.com", "other.example"])',
        ]
    )


def test_what_a_report_says_of_connections() -> None:
    connections = [
        SandboxConnection(
            host="8.8.8.8", name="a.example", port=443, verdict="denied", reason="no network has it"
        ),
        SandboxConnection(
            host="10.1.2.3", name="b.example", port=443, verdict="denied", reason="it is private"
        ),
        SandboxConnection(host="2001:db8::1", port=80, verdict="denied", reason="x", count=3),
        SandboxConnection(host="8.8.8.8", port=81, verdict="failed", reason="ECONNREFUSED"),
        SandboxConnection(host="8.8.8.8", port=82, verdict="allowed"),
        *(SandboxConnection(host="1.1.1.1", port=n, verdict="denied") for n in range(10)),
    ]
    lines = list(
        network_lines(InspectorDescribeResponse(connections=connections, connections_left_out=5))
    )
    everywhere = list(
        network_lines(InspectorDescribeResponse(connections=connections[1:2]), {"network": "open"})
    )
    assert '(cidr_allowlist=["0.0.0.0/0", "::/0", "10.1.2.3/32"])' in everywhere[1]
    assert lines[:7] == [
        "connection denied: a.example (8.8.8.8) port 443: no network has it",
        '    what allows it: @pytest.mark.sandbox(outbound_domain_allowlist=["a.example"])',
        "connection denied: b.example (10.1.2.3) port 443: it is private",
        '    what allows it: @pytest.mark.sandbox(cidr_allowlist=["10.1.2.3/32"])',
        "connection denied: 2001:db8::1 port 80, 3 times: x",
        '    what allows it: @pytest.mark.sandbox(cidr_allowlist=["2001:db8::1/128"])',
        "connection failed: 8.8.8.8 port 81: ECONNREFUSED",
    ]
    assert lines[-1] == "(9 further connections not shown)"
    assert os.linesep not in "".join(lines)


@pytest.mark.parametrize(("name", "told"), [("a.example", True), ("bd", False)])
def test_names_that_a_network_of_sandboxes_lacks(name: str, told: bool) -> None:
    reason = "no sandbox of its network has this alias, and no domain that is allowed is this name"
    asked = SandboxConnection(name=name, port=53, verdict="denied", reason=reason)
    lines = network_lines(InspectorDescribeResponse(connections=[asked]))
    assert any("outbound_domain_allowlist" in line for line in lines) is told


def test_what_a_report_says_of_connections_to_tunnels() -> None:
    outside = "127.0.0.1 is in no network of inbound_cidr_allowlist=['::/0']"
    refused = [
        SandboxRefusedConnections(port=80, reason="it is of user 1001", count=3),
        SandboxRefusedConnections(port=0, reason="its user cannot be told: closed", count=1),
        SandboxRefusedConnections(port=80, reason=outside, count=1),
        *(SandboxRefusedConnections(port=n, reason="x", count=1) for n in range(1, 9)),
    ]
    description = InspectorDescribeResponse(refused=refused, refused_left_out=5)
    lines = list(network_lines(description))
    assert lines[:6] == [
        "connection to the tunnel of port 80 refused, 3 times: it is of user 1001",
        "    what allows it: --sandbox-engine-option=tunnels=everybody",
        "connection to the address of connect tokens refused: its user cannot be told: closed",
        f"connection to the tunnel of port 80 refused: {outside}",
        '    what allows it: @pytest.mark.sandbox(inbound_cidr_allowlist=["127.0.0.1/32"])',
        "connection to the tunnel of port 1 refused: x",
    ]
    assert lines[-1] == "(6 further refused connections not shown)"


WITHOUT = """
    import pytest

    OPEN = "import urllib.request as u; u.urlopen('https://x.test')"

    def test_default(sandbox):
        sandbox.run("python3", "-c", OPEN, check=True)

    @pytest.mark.sandbox(network="none")
    def test_none(sandbox):
        sandbox.run("python3", "-c", OPEN, check=True)

    @pytest.mark.sandbox(cidr_allowlist=["192.0.2.7/32"])
    def test_list(sandbox):
        sandbox.run("python3", "-c", OPEN, check=True)

    def test_in_memory(sandbox, fake_sandboxes):
        fake_sandboxes.on_exec("curl", ...).reply(stderr="Could not resolve host: x", code=6)
        sandbox.run("curl", "x", check=True)

    def test_other_reason(sandbox):
        sandbox.run("sh", "-c", "echo gaierror")
        sandbox.run("false", check=True)
"""


def test_the_report_says_what_lets_a_sandbox_have_a_network(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WITHOUT)
    result = pytester.runpytest()
    result.assert_outcomes(failed=5)
    told = [line for line in result.outlines if line.startswith("this sandbox has no network")]
    assert told == [_TEXTS["default"], _TEXTS["none"], _TEXTS["default"]]
    assert "--sandbox-network=open" in _TEXTS["default"]


@pytest.mark.parametrize(
    ("output", "returncode", "lack", "hinted"),
    [
        (b"<urlopen error [Errno 101] Network is unreachable>", 1, "default", True),
        (b"dial tcp 192.0.2.1:80: connect: network is unreachable", 1, "block_network", True),
        (b"getaddrinfo EAI_AGAIN registry.npmjs.org", 1, "default", True),
        (b"ssh: Could not resolve hostname x: Try again", 255, "none", True),
        (b"Failed to establish a new connection: [Errno 111] Connection refused", 1, "none", False),
        (b"Network is unreachable", 0, "default", False),
        (b"Network is unreachable", 1, "", False),
    ],
)
def test_outputs_that_say_there_is_no_network(
    output: bytes, returncode: int, lack: str, hinted: bool
) -> None:
    command = SandboxCommand(stderr_tail=output, returncode=returncode)
    described = InspectorDescribeResponse(commands=[command], no_network=lack)
    assert bool(list(network_hint([described]))) is hinted


def test_connections_that_wait_have_no_target() -> None:
    reason = "512 connections at a time; further ones wait"
    waiting = SandboxConnection(verdict="failed", reason=reason, count=188)
    lines = network_lines(InspectorDescribeResponse(connections=[waiting]))
    assert list(lines) == [f"connection failed: not accepted yet, 188 times: {reason}"]
