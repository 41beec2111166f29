"""Faults of connections that a test sets on the engine of the run."""

import pytest

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.rpcs import NetworkFaults

TESTS = """
    import pytest

    CONNECT = '''
    import socket, sys
    try:
        socket.create_connection((sys.argv[1], 80)).recv(1)
    except OSError as error:
        print(type(error).__name__)
    '''
    # An address that is named is allowed, whether or not there is a way to it.
    pytestmark = pytest.mark.sandbox(cidr_allowlist=["192.0.2.7/32"])

    def reasons(log):
        return [one.reason for one in log.connections()]

    def test_refused(sandbox_factory, sandbox_network_faults, sandbox_network_log):
        before, other = sandbox_factory(), sandbox_factory()
        fault = sandbox_network_faults.on("192.0.2.0/24", port=80).refuse()
        later = sandbox_factory()
        for sandbox in (before, later):
            sandbox.run("python3", "-c", CONNECT, "192.0.2.7")
        assert reasons(sandbox_network_log) == ["refused, by a planned fault"] * 2
        assert fault.fired == 2

    def test_of_one_sandbox(sandbox_factory, sandbox_network_faults, sandbox_network_log):
        first, second = sandbox_factory(), sandbox_factory()
        sandbox_network_faults.on("*", sandbox=first).refuse()
        sandbox_network_faults.on("*", sandbox=second).black_hole().optional()
        first.run("python3", "-c", CONNECT, "192.0.2.7")
        assert reasons(sandbox_network_log) == ["refused, by a planned fault"]

    def test_what_is_denied_stays_denied(sandbox, sandbox_network_faults, sandbox_network_log):
        sandbox_network_faults.on("192.0.2.9").black_hole().optional()
        sandbox.run("python3", "-c", CONNECT, "192.0.2.9")
        (connection,) = sandbox_network_log.connections()
        assert connection.verdict == "denied"

    def test_unfired(sandbox_network_faults):
        sandbox_network_faults.on("db.example", port=5432, nth=2).delay(0.2).times(3)

    def test_shown(sandbox, sandbox_network_faults):
        sandbox_network_faults.on("192.0.2.7").refuse()
        sandbox.run("python3", "-c", CONNECT, "192.0.2.7")
        assert not "reached"
"""


def test_faults_of_connections(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest()
    result.assert_outcomes(passed=4, errors=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "faults that did not fire as often as planned:",
            "  <network_faults.on('db.example', port=5432, nth=2).delay(0.2).times(3)>",
            "Make the connections that they apply to, or add .optional().",
            "connection failed: 192.0.2.7 port 80: refused, by a planned fault",
        ]
    )


class _NoPlan:
    """Nothing is set in these tests."""

    def fault_set(self, fault: object) -> None: ...

    def fault_clear(self, ids: object) -> None: ...

    def fault_list(self, ids: list[str]) -> list[pb.FaultState]:
        assert not ids
        return []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("on('a b')", "host='a b' must be a name"),
        ("on('10.0.0.1/8')", "must be a name"),
        ("on('a', port=0)", "port=0 is not"),
        ("on('a', nth=0)", "counted from 1"),
        ("on('a', sandbox=5)", "sandbox=5 is an int: give a Sandbox or its id"),
        ("on('a').times(0)", "at least 1"),
        ("on('a').delay(-1)", "seconds must be"),
        ("on('a').reset(after_bytes=-1)", "negative"),
        ("on('a').refuse().black_hole()", "an effect already"),
        ("on('a').resolves_to()", "no_such_name"),
        ("on('a').resolves_to('b')", "not an address"),
        ("on('10.0.0.1').no_such_name()", "not a name"),
        ("on('a', port=1).no_answer()", "asked without a port"),
        ("on('a').no_answer().delay(1)", "a delay for connections"),
    ],
)
def test_faults_that_make_no_sense(make: str, message: str) -> None:
    faults = NetworkFaults(_NoPlan())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        eval(f"faults.{make}", {"faults": faults})
    assert faults.unfired() == []
