"""What the plugin costs a run in which nothing uses a sandbox."""

import pytest

#: Shows, when pytest ends, what was imported, and what pytest has rewritten the asserts of.
LOADED = """
import sys

from _pytest.assertion.rewrite import AssertionRewritingHook

LATE = (
    "asyncio", "grpclib", "google", "ssl", "pytest_sandbox.client",
    "pytest_sandbox._proto", "pytest_sandbox.gpus", "pytest_sandbox.plugin.report",
    "pytest_sandbox.plugin.failure_sections", "pytest_sandbox.plugin.hints",
    "pytest_sandbox.plugin.modal.client_state", "pytest_sandbox.plugin.modal.run_server",
)

def pytest_unconfigure(config):
    ours = {name: each for name, each in sys.modules.items() if name.startswith("pytest_sandbox")}
    rewritten = [n for n, m in ours.items() if isinstance(m.__loader__, AssertionRewritingHook)]
    print("late:", *sorted(set(LATE) & set(sys.modules)))
    print("rewritten:", *sorted(set(rewritten) - {"pytest_sandbox"}))
    print("modules:", len(ours))
"""


def loaded(pytester: pytest.Pytester, *options: str) -> dict[str, list[str]]:
    """What a run with the plugin alone has loaded."""
    pytester.makeconftest(LOADED)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(timeout=5)
        def test_it(): ...
        """
    )
    result = pytester.runpytest_subprocess("-p", "pytest_sandbox.plugin", "-s", *options)
    assert result.ret == 0
    lines = [line.split() for line in result.outlines]
    return {words[0]: words[1:] for words in lines if words and words[0].endswith(":")}


@pytest.fixture(autouse=True)
def without_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")


def test_a_run_without_sandboxes_imports_little(pytester: pytest.Pytester) -> None:
    found = loaded(pytester)

    assert found["late:"] == []
    assert int(found["modules:"][0]) <= 72


def test_pytest_rewrites_asserts_of_nothing_but_the_entry_point(pytester: pytest.Pytester) -> None:
    found = loaded(pytester, "--collect-only")

    assert found["rewritten:"] == ["pytest_sandbox.plugin", "pytest_sandbox.plugin.plain_imports"]


def test_the_plugin_can_be_switched_off_altogether(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = pytester.runpytest_subprocess("-p", "no:sandbox", "--fixtures")

    assert "sandbox" not in result.stdout.str()
