"""What a test with `fake_sandboxes` has to have done by its end."""

import pytest

#: A test that breaks a rule, and what its report then says.
BROKEN = {
    "unused-scripts": (
        'fake_sandboxes.on_exec("make").reply()',
        [
            "fake_sandboxes: scripts that were not used as often as required:",
            "  the script for `make` (test_it.py:5) was used 0 times, not 1",
            "Run the commands, make the connections, or say .optional(), or allow *",
        ],
    ),
    "unfired-faults": (
        'fake_sandboxes.faults.on("SandboxList").status("UNAVAILABLE")',
        [
            "fake_sandboxes: faults that did not fire as often as planned:",
            "  <faults.on('SandboxList').status('UNAVAILABLE')> (test_it.py:5)",
            "Make the calls or connections that they apply to, or add .optional(), or allow *",
        ],
    ),
    "unscripted-commands": (
        'sandbox.run("sh", "-c", "compile; true")',
        [
            "fake_sandboxes: commands that are neither built in nor scripted:",
            "  unscripted command: compile",
            "Script them with fake_sandboxes.on_exec(...), or allow 'unscripted-commands'.",
        ],
    ),
    "unscripted-connections": (
        "from tests_calls import connect; connect(8000)",
        [
            "fake_sandboxes: connections to ports that nothing listens on, or to hosts *",
            "  unscripted connection: port 8000",
            "Script them with *on_connect(...)*, or allow 'unscripted-connections'.",
        ],
    ),
    "unwaited-processes": (
        'sandbox.exec("sleep", "1h")',
        [
            "fake_sandboxes: commands that failed or still run, and the test did not ask:",
            "  sleep 1h in sandbox sb-*, which still runs",
            "Call wait() or poll() on them, read their output to its end, or terminate *",
        ],
    ),
    "failed-handlers": (
        'fake_sandboxes.on_exec("make").calls(lambda call: 1 / 0); sandbox.run("make")',
        [
            "fake_sandboxes: handlers that failed:",
            "  the handler of make raised:",
            "  ZeroDivisionError: division by zero",
            "Fix them, or allow 'failed-handlers'.",
        ],
    ),
    "unsupported-features": (
        'sandbox.run("sh", "-c", "select x in a; do :; done")',
        [
            "fake_sandboxes: features that the built-in programs do not support:",
            "  *the loop select is not supported by the engine in memory",
            "Script the command with * or allow 'unsupported-features'.",
        ],
    ),
    "unexpected-rpcs": (
        "from tests_calls import refused; refused(fake_sandboxes)",
        [
            "fake_sandboxes: calls of RPCs that are not implemented:",
            "  *QueueGetOrCreate*",
            "Do not make them, or allow 'unexpected-rpcs'.",
        ],
    ),
}

CALLS = """
    import contextlib
    import socket
    from pytest_sandbox import Sandbox
    from google.protobuf.empty_pb2 import Empty
    from grpclib.client import UnaryUnaryMethod
    from pytest_sandbox.client.exceptions import Error
    from pytest_sandbox.client.transport.portal import portal

    def connect(port):
        sandbox = Sandbox.create(unencrypted_ports=[port])
        with socket.create_connection(sandbox.tunnels()[port].tcp_socket) as connection:
            with contextlib.suppress(ConnectionResetError):
                connection.recv(1)

    PATH = "/modal.client.ModalClient/QueueGetOrCreate"

    def refused(fake):
        def method(link):
            return UnaryUnaryMethod(link.channel, PATH, Empty, Empty)

        try:
            portal().run(lambda: fake.client.calls.control(method, Empty()))
        except Error:
            return
        raise AssertionError("it is implemented")
"""


def write(pytester: pytest.Pytester, line: str, *marks: str) -> None:
    pytester.makepyfile(tests_calls=CALLS)
    source = [
        "import pytest",
        "",
        *(marks or [""]),
        "def test_it(fake_sandboxes, sandbox):",
        f"    {line}",
    ]
    pytester.makepyfile(test_it="\n".join(source))


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_fails_the_test_and_says_which(pytester: pytest.Pytester, rule: str) -> None:
    line, message = BROKEN[rule]
    write(pytester, line)

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(message)
    assert result.stdout.str().count("fake_sandboxes: ") == 1 + 1  # and in the summary


@pytest.mark.parametrize("rule", BROKEN)
def test_the_marker_allows_a_rule_to_be_broken(pytester: pytest.Pytester, rule: str) -> None:
    write(pytester, BROKEN[rule][0], f"@pytest.mark.fake_sandboxes(allow=[{rule!r}])")

    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("rule", BROKEN)
def test_the_ini_file_allows_a_rule_to_be_broken(pytester: pytest.Pytester, rule: str) -> None:
    write(pytester, BROKEN[rule][0])
    pytester.makeini(f"[pytest]\nfake_sandboxes_allow = {rule}")

    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("rule", BROKEN)
def test_the_test_itself_allows_a_rule_to_be_broken(pytester: pytest.Pytester, rule: str) -> None:
    write(pytester, f"fake_sandboxes.allow({rule!r}); {BROKEN[rule][0]}")

    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "line",
    [
        'fake_sandboxes.on_exec("make").reply().optional()',
        'fake_sandboxes.faults.on("SandboxList").status("UNAVAILABLE").optional()',
        'sandbox.exec("sleep", "1h"); sandbox.terminate()',
        'sandbox.exec("sleep", "1h").poll()',
        'sandbox.exec("true")',
        'sandbox.exec("sleep", "3"); fake_sandboxes.clock.advance(5)',
        'sandbox.exec("true").wait()',
        'assert sandbox.exec("echo", "hi").stdout.read() == "hi\\n"',
        'assert list(sandbox.exec("echo", "hi").stdout) == ["hi\\n"]',
        'sandbox.exec("sh", "-c", "exit 3").stdout.read()',
        'sandbox.exec("sh", "-c", "exit 3").stderr.read()',
        'sandbox.exec("sh", "-c", "exit 3").wait()',
        'process = sandbox.exec("false"); fake_sandboxes.clock.advance(1); process.poll()',
        'sandbox.exec("false"); fake_sandboxes.clock.advance(1); sandbox.terminate()',
        'sandbox.exec("false"); sandbox.exec("sleep", "1h"); fake_sandboxes.clock.advance(1e6)',
        'sandbox.exec("sleep", "1h"); fake_sandboxes.faults.oom(sandbox); sandbox.poll()',
        'sandbox.filesystem.write_text("x", "/tmp/x")',
    ],
)
def test_what_breaks_no_rule(pytester: pytest.Pytester, line: str) -> None:
    write(pytester, line)

    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ('sandbox.exec("false")', "ended with exit code 1"),
        ('sandbox.exec("sh", "-c", "kill -9 $$")', "ended with exit code 137"),
        ('sandbox.exec("sleep", "9", timeout=1); fake_sandboxes.clock.advance(5)', "*137"),
        ('sandbox.exec("yes", stdout=-3, stderr=-3)', "still runs"),
        (
            'sandbox.exec("sh", "-c", "sleep 1; false").poll(); fake_sandboxes.clock.advance(2)',
            "*1",
        ),
    ],
)
def test_what_a_command_hides_from_a_test_fails_it(
    pytester: pytest.Pytester, line: str, state: str
) -> None:
    write(pytester, line)

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"  * in sandbox sb-*, which {state}"])


def test_all_broken_rules_are_told_at_once(pytester: pytest.Pytester) -> None:
    write(pytester, f"{BROKEN['unused-scripts'][0]}; {BROKEN['unwaited-processes'][0]}")

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*did not ask:", "*not used as often*"])


def test_a_test_that_failed_gets_no_second_error(pytester: pytest.Pytester) -> None:
    write(pytester, f"{BROKEN['unused-scripts'][0]}; assert False")

    pytester.runpytest().assert_outcomes(failed=1)


def test_a_rule_that_does_not_exist_is_named(pytester: pytest.Pytester) -> None:
    write(pytester, "fake_sandboxes.allow('unwaited-proceses')")

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no rule 'unwaited-proceses'*did you mean 'unwaited-processes'?"])
