"""Sandboxes in tests whose sockets pytest-socket blocks."""

import pytest

TESTS = """
import socket
import pytest

def test_local(sandbox):
    assert sandbox.run("echo", "hi").stdout == "hi\\n"

def test_in_memory(fake_sandboxes, sandbox):
    assert sandbox.run("echo", "hi").stdout == "hi\\n"
"""


@pytest.mark.parametrize("warnings", ["default", "error"])
def test_the_error_names_the_option(pytester: pytest.Pytester, warnings: str) -> None:
    """pytest-socket warns before it raises, so a warning may be what is raised."""
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess(
        "-p", "pytest_socket", "--disable-socket", "-W", warnings
    )

    result.assert_outcomes(errors=2, warnings=0 if warnings == "error" else 2)
    result.stdout.fnmatch_lines_random(
        ["*ConnectionError: pytest-socket blocks sockets*Run pytest with --allow-unix-socket too*"]
    )


def test_with_the_option_it_works_and_the_network_stays_blocked(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        TESTS
        + """
def test_network(sandbox):
    from pytest_socket import SocketBlockedError
    with pytest.warns(UserWarning), pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))
"""
    )

    result = pytester.runpytest_subprocess(
        "-p", "pytest_socket", "--disable-socket", "--allow-unix-socket"
    )

    result.assert_outcomes(passed=3)


def test_a_connection_that_is_blocked_later(pytester: pytest.Pytester) -> None:
    """The loop of the client has its sockets by then."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Client, exceptions
        from pytest_socket import disable_socket

        def test_it(sandbox_engine, sandbox):
            disable_socket()
            assert sandbox.run("true").returncode == 0  # over a connection from before
            other = Client(sandbox_engine.socket)
            with pytest.raises(exceptions.ConnectionError, match="--allow-unix-socket"):
                type(sandbox).from_id(sandbox.object_id, other)
        """
    )

    result = pytester.runpytest_subprocess("-p", "pytest_socket", "-W", "ignore")

    result.assert_outcomes(passed=1)
