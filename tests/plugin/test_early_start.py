"""The engine starts while pytest collects, once a test that needs it is collected."""

import pytest

from pytest_sandbox._run import Run

TESTS = """
import pytest
from pytest_sandbox import sandbox_template

@sandbox_template
def prepared(sandbox): ...

@pytest.fixture
def wrapped(sandbox): ...

def test_without(): ...
def test_with(wrapped): ...
def test_template(prepared): ...
def test_fake(sandbox, fake_sandboxes): ...
@pytest.mark.skip
def test_skipped(sandbox): ...
@pytest.mark.skipif("True")
def test_skipped_on_text(sandbox): ...
@pytest.mark.skipif(condition=True, reason="is true")
def test_skipped_if(sandbox): ...
@pytest.mark.skipif(False, reason="is false")
@pytest.mark.xfail(run=False)
def test_skipped_xfail(sandbox): ...
"""
#: Notes what pytest does.
CONFTEST = """
from pytest_sandbox._run import Run

def pytest_itemcollected(item): Run.events.append(item.name)
def pytest_collection_finish(): Run.events.append("collected")
"""


@pytest.fixture
def events(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens in a run of `TESTS`, whose engine does not start."""
    events: list[str] = []
    monkeypatch.setattr(Run, "events", events, raising=False)
    monkeypatch.setattr(Run, "start_soon", lambda *_: events.append("start"))
    pytester.makepyfile(TESTS)
    pytester.makeconftest(CONFTEST)
    return events


@pytest.mark.usefixtures("shared_engine")
def test_it_starts_when_the_first_test_that_needs_it_is_collected(
    pytester: pytest.Pytester, events: list[str]
) -> None:
    pytester.runpytest_inprocess()

    assert events[:4] == ["test_without", "test_with", "start", "test_template"]


@pytest.mark.usefixtures("shared_engine")
@pytest.mark.parametrize("option", ["-k", "-m"])
def test_where_tests_may_be_deselected_it_starts_after_that(
    pytester: pytest.Pytester, events: list[str], option: str
) -> None:
    pytester.runpytest_inprocess(option, "not nothing")

    assert "start" not in events[:8]
    assert sorted(events[8:10]) == ["collected", "start"]


@pytest.mark.parametrize(
    "options",
    [
        ["-k", "without or fake or skipped"],
        ["--collect-only"],
        ["--setup-plan"],
        ["--deselect", "test_no_test_needs_it.py"],
        ["--sandbox-engine", "fake"],
    ],
    ids=str,
)
def test_no_test_needs_it(pytester: pytest.Pytester, events: list[str], options: list[str]) -> None:
    pytester.runpytest_inprocess(*options)

    assert "test_with" in events
    assert "start" not in events


@pytest.mark.parametrize(
    ("fixtures", "early"),
    [
        ('@pytest.fixture(scope="session", autouse=True)\ndef prepared(): ...', False),
        ('@pytest.fixture(scope="module")\ndef other(): ...', False),
        ("def setup_module(): ...", False),
        ("@pytest.fixture(autouse=True)\ndef of_each_test(): ...", True),
        ('@pytest.fixture(scope="module", autouse=True)\ndef made(sandbox_engine): ...', True),
        ("@sandbox_template\ndef other(sandbox): ...", True),
        ('@sandbox_template(scope="module")\ndef other(sandbox): ...', True),
    ],
)
@pytest.mark.usefixtures("shared_engine")
def test_it_starts_after_what_fixtures_of_a_wider_scope_prepare(
    pytester: pytest.Pytester, events: list[str], fixtures: str, early: bool
) -> None:
    (pytester.path / "test_fixtures.py").write_text(f"""
import pytest
from pytest_sandbox import sandbox_template

@pytest.fixture
def other(): ...

{fixtures}

def test_other(other): ...
@pytest.mark.skipif(False, reason="is false")
def test_needs_it(sandbox): ...
""")
    pytester.runpytest_inprocess("test_fixtures.py", "--setup-only")

    assert ("start" in events[: events.index("collected")]) is early


@pytest.mark.usefixtures("shared_engine")
@pytest.mark.parametrize("early", ["true", "false"])
def test_it_can_be_switched_off(pytester: pytest.Pytester, events: list[str], early: str) -> None:
    pytester.makeini(f"[pytest]\nsandbox_early_start = {early}")
    pytester.runpytest_inprocess()

    assert ("start" in events[: events.index("collected")]) is (early == "true")
