"""What the plugin costs a run in which nothing uses a sandbox."""

import pytest

#: Shows, when pytest ends, what was imported.
LOADED = """
import sys

def pytest_unconfigure(config):
    heavy = ("asyncio", "grpclib", "google", "pytest_sandbox.client", "pytest_sandbox._proto")
    print("heavy:", *sorted(set(heavy) & set(sys.modules)))
"""


def test_a_run_without_sandboxes_imports_no_client_no_grpc_and_no_asyncio(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    pytester.makeconftest(LOADED)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(timeout=5)
        def test_it(): ...
        """
    )

    result = pytester.runpytest_subprocess("-p", "pytest_sandbox.plugin", "-s")

    result.assert_outcomes(passed=1)
    assert "heavy:" in [line.strip() for line in result.outlines]


def test_the_plugin_can_be_switched_off_altogether(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-p", "no:sandbox", "--fixtures")

    assert "sandbox" not in result.stdout.str()
