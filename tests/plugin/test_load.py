"""What the plugin costs a run in which nothing uses a sandbox."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from pytest_sandbox.plugin import declarations, fixtures, parts
from pytest_sandbox.plugin.fakes import KEYS
from pytest_sandbox.plugin.marker import _CHECKS

#: Shows, when pytest ends, what was imported, and what pytest has rewritten the asserts of.
LOADED = """
import sys

from _pytest.assertion.rewrite import AssertionRewritingHook

LATE = (
    "asyncio", "email.parser", "grpclib", "google", "ssl", "pytest_sandbox.client",
    "pytest_sandbox._proto", "pytest_sandbox.gpus", "pytest_sandbox.plugin.reports.report",
    "pytest_sandbox.plugin.reports.failure_sections", "pytest_sandbox.plugin.reports.hints",
    "pytest_sandbox.plugin.modal.client_state", "pytest_sandbox.plugin.modal.run_server",
)

def pytest_unconfigure(config):
    ours = {name: each for name, each in sys.modules.items() if name.startswith("pytest_sandbox")}
    rewritten = [n for n, m in ours.items() if isinstance(m.__loader__, AssertionRewritingHook)]
    print("late:", *sorted(set(LATE) & set(sys.modules)))
    print("rewritten:", *sorted(set(rewritten) - {"pytest_sandbox"}))
    print("modules:", *sorted(ours))
"""
#: What a run needs in which pytest only collects, and no test has to do with sandboxes.
NEEDED = {
    "pytest_sandbox",
    "pytest_sandbox._run",
    "pytest_sandbox.plugin",
    *(
        f"pytest_sandbox.plugin.{name}"
        for name in ("collected", "declarations", "fixtures", "hooks", "modules", "plain_imports")
    ),
}
PLAIN = "def test_it(): ..."
MARKED = "import pytest\n@pytest.mark.sandbox(timeout=5)\ndef test_it(): ..."


def loaded(pytester: pytest.Pytester, text: str, *options: str) -> dict[str, list[str]]:
    """What a run with the plugin alone has loaded."""
    pytester.makeconftest(LOADED)
    pytester.makepyfile(text)
    result = pytester.runpytest_subprocess("-p", "pytest_sandbox.plugin", "-s", "-q", *options)
    assert result.ret == 0
    lines = [line.split() for line in result.outlines]
    return {words[0]: words[1:] for words in lines if words and words[0].endswith(":")}


@pytest.fixture(autouse=True)
def without_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")


def test_a_run_without_sandboxes_imports_little(pytester: pytest.Pytester) -> None:
    found = loaded(pytester, MARKED)

    assert found["late:"] == []
    assert len(found["modules:"]) <= 66


def test_a_collection_without_sandboxes_imports_next_to_nothing(pytester: pytest.Pytester) -> None:
    found = loaded(pytester, PLAIN, "--collect-only")

    assert set(found["modules:"]) == NEEDED
    assert found["rewritten:"] == ["pytest_sandbox.plugin", "pytest_sandbox.plugin.plain_imports"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(MARKED, (), id="a-marker"),
        pytest.param("def test_it(sandbox_rpcs): ...", (), id="a-fixture"),
        pytest.param(PLAIN, ("--gpu=skip",), id="an-option"),
        pytest.param(PLAIN, ("-o", "sandbox_strict=true"), id="an-ini-setting"),
        pytest.param(
            "from pytest_sandbox.plugin import sandbox_template\n" + PLAIN, (), id="a-template"
        ),
    ],
)
def test_a_collection_with_sandboxes_imports_the_parts(
    pytester: pytest.Pytester, text: str, options: tuple[str, ...]
) -> None:
    found = loaded(pytester, text, "--collect-only", *options)

    assert "pytest_sandbox.plugin.parts" in found["modules:"]


@pytest.mark.parametrize("part", parts._PARTS, ids=lambda part: part.__name__)
def test_pytest_looks_at_nothing_of_a_part_but_its_hooks(
    pytestconfig: pytest.Config, part: ModuleType
) -> None:
    registered = pytestconfig.pluginmanager.get_plugin(part.__name__)

    assert dir(registered) == [name for name in dir(part) if name.startswith("pytest_")]
    assert dir(registered) != []


def test_every_fixture_is_one_that_loads_the_parts() -> None:
    text = Path(fixtures.__file__).read_text()

    assert re.findall(r"@pytest.fixture.*\ndef (\w+)", text) != []
    assert sorted(re.findall(r"@pytest.fixture.*\ndef (\w+)", text)) == fixtures.__all__


def test_the_markers_name_the_keys_that_are_checked() -> None:
    def keys(name: str) -> list[str]:
        return re.findall(r"(\w+)=\.\.\.", declarations.MARKERS[name])

    assert keys("sandbox") == list(_CHECKS)
    assert keys("fake_sandboxes") == list(KEYS)


def test_the_plugin_can_be_switched_off_altogether(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = pytester.runpytest_subprocess("-p", "no:sandbox", "--fixtures")

    assert "sandbox" not in result.stdout.str()
