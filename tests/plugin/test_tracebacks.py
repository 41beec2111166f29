"""What a person sees of a call that failed: their own line, and the error."""

import pytest

pytestmark = pytest.mark.usefixtures("shared_engine")

CALLS = """
import pytest

@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.run("false", check=True),
        lambda s: s.exec("no-such-command"),
        lambda s: s.exec("ls", workdir="relative"),
        lambda s: s.filesystem.read_text("/none"),
        lambda s: s.open("/none"),
        lambda s: s.exec("cat").stdin.write(None),
        lambda s: s.snapshot_directory("/none"),
        lambda s: s.restore("im-none"),
    ],
)
def test_it(sandbox, call):
    call(sandbox)
"""


def test_the_client_does_not_show_in_tracebacks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CALLS)

    result = pytester.runpytest("--tb=short")

    result.assert_outcomes(failed=8)
    shown = result.stdout.str()
    for name in ("pytest_sandbox/client", "grpclib/", "asyncio/", "contextlib"):
        assert name not in shown


def test_a_fixture_that_fails_shows_nothing_of_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import sandbox_template

        @pytest.mark.sandbox(unencrypted_ports=[80, 80])
        def test_a_sandbox(sandbox): ...

        @sandbox_template(unencrypted_ports=[80, 80])
        def prepared(sandbox): ...

        def test_a_template(prepared): ...
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*InvalidError: port 80 is given twice*"] * 2)
    result.stdout.no_fnmatch_line("*/plugin/_*.py*")


def test_a_file_that_is_not_there_shows_nothing_of_the_engine_in_memory(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(fake_sandboxes):
            fake_sandboxes.volume("data").read_text("/none")
        """
    )

    result = pytester.runpytest("--tb=short")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*FileNotFoundError*/none*"])
    result.stdout.no_fnmatch_line("*pytest_sandbox/*.py*")
