"""The hooks for tests on several engines, and the engine of such a test while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..fakes import NAME as FAKE_FIXTURE
from ..options import chosen_engine, has_engine_of_run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

#: The fixture that makes an engine the one in use, for tests on another one than that of the run.
_FIXTURE = "_sandbox_engine_in_use"
#: An attribute of reports, which pytest-xdist sends to the controller.
_ATTRIBUTE = "sandbox_parity"

#: Whether the test itself passed; its fixtures may still fail.
PASSED = pytest.StashKey[bool]()
#: The names of the values that a test has recorded.
RECORDED = pytest.StashKey["list[str]"]()


@pytest.fixture
def _sandbox_engine_in_use(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have `Sandbox.create`, and processes that the test starts, use the engine of the test."""
    from .use import use_engine

    yield from use_engine(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test the fixture of its engine, as if it named it."""
    engine = chosen_engine(item)
    if engine == "fake":
        _take(item, FAKE_FIXTURE)
    elif engine and not has_engine_of_run(item):
        _take(item, _FIXTURE)


def _take(item: Any, fixture: str) -> None:
    """Have a test take a fixture, after those of wider scope, which are on the engine of the run.

    The list of its fixtures is that of all tests of its function, so it gets one of its own.
    """
    from .use import first_of_function_scope

    names = [name for name in item.fixturenames if name != fixture]
    names.insert(first_of_function_scope(item, names), fixture)
    item.fixturenames = names


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report what the controller needs to know of the test."""
    report = yield
    if chosen_engine(item):
        from .report import facts

        if call.when == "call":
            item.stash[PASSED] = report.passed
        setattr(report, _ATTRIBUTE, facts(item, item.stash.get(RECORDED, [])))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the values that were compared with nothing, those of workers too, and say why."""
    stats = terminalreporter.stats.values()
    reports = [each for several in stats for each in several if hasattr(each, _ATTRIBUTE)]
    if reports:
        from .report import lines

        if found := list(lines(reports, _ATTRIBUTE)):
            terminalreporter.write_sep("=", "values that were recorded on one engine only")
            for line in found:
                terminalreporter.write_line(line)
