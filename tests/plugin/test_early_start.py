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

    assert "start" not in events[:5]
    assert sorted(events[5:7]) == ["collected", "start"]


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
