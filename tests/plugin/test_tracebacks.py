"""What a person sees of a call that failed: their own line, and the error."""

import pytest

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
    ],
)
def test_it(sandbox, call):
    call(sandbox)
"""


def test_the_client_does_not_show_in_tracebacks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CALLS)

    result = pytester.runpytest("--tb=short")

    result.assert_outcomes(failed=6)
    shown = result.stdout.str()
    for name in ("pytest_sandbox/client", "grpclib/", "asyncio/", "contextlib"):
        assert name not in shown
