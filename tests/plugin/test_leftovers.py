"""What a test leaves behind in its sandboxes."""

import pytest

pytestmark = pytest.mark.usefixtures("shared_engine")

LEAVES = """
from pytest_sandbox import Sandbox

def test_it(sandbox, sandbox_factory):
    sandbox_factory("sleep", "1000")            # ends with the test: it was asked to
    sandbox.exec("true").wait()
    sandbox.exec("sleep", "2000")
    Sandbox.create("sleep", "3000")
    Sandbox.create().terminate()
"""


def test_what_was_left_behind_is_told_in_a_section(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEAVES)

    result = pytester.runpytest("-rP")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*left behind in sandboxes*",
            "command [[]2[]] in sandbox sb-*, still running: sleep 2000",
            "sandbox sb-*, which the test created and did not terminate",
        ],
        consecutive=True,
    )
    assert not [line for line in result.outlines if "sleep 1000" in line or "sleep 3000" in line]


def test_strictness_makes_it_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEAVES)

    result = pytester.runpytest("--sandbox-strict")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "the test left behind:",
            "command [[]2[]] in sandbox sb-*, still running: sleep 2000",
            "sandbox sb-*, which the test created and did not terminate",
            "Wait for commands and terminate sandboxes, or run without --sandbox-strict.",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_tidy_test_passes_strictly(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsandbox_strict = true")
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(sandbox):
            sandbox.exec("sleep", "0").wait()
            sandbox.exec("echo", "the end is seen").stdout.read()
            own = Sandbox.create()
            own.exec("sleep", "1000")
            own.terminate()
            Sandbox.create("true").wait()
        """
    )

    pytester.runpytest("-rP").assert_outcomes(passed=1)


def test_what_a_fixture_ends_is_not_left_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def service(sandbox):
            process = sandbox.exec("sleep", "1000")
            yield
            sandbox.terminate()

        def test_it(service): ...
        """
    )

    pytester.runpytest("--sandbox-strict").assert_outcomes(passed=1)


def test_a_test_that_failed_is_not_failed_again_for_what_it_could_not_tidy_up(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            process = sandbox.exec("sleep", "1000")
            assert False
            process.wait()
        """
    )

    result = pytester.runpytest("--sandbox-strict")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("command [[]1[]] in sandbox *, still running: sleep 1000")
