"""Reports: sections about a test that failed or left something behind, and errors of the start."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sandbox._run import EngineStartError

from ..engine import session_of
from ..ownership import OWNED

#: How many characters of the reason why there is no engine reports show after the first one.
_REASON = 80
#: pytest shows the sections of a test that passed only if their name ends in "teardown".
_LEFT_BEHIND = "left behind in sandboxes at teardown"


def complete(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Add the sections to a report."""
    if call.excinfo is not None and isinstance(call.excinfo.value, EngineStartError):
        report.longrepr = _engine_start_error(item, call.excinfo)
    owned = item.stash.get(OWNED, None)
    if owned is None:
        return
    if call.when == "teardown" and owned.left:
        report.sections.append((_LEFT_BEHIND, "\n".join(owned.left)))
    if report.failed:
        owned.failed = True
        from .failure_sections import failure_sections  # late: most runs have no failure

        _add(report, list(failure_sections(item, owned, call.excinfo)), item.config)


def _engine_start_error(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The error in full for the first test of the run that reports it, in a line for others."""
    error = excinfo.value
    assert isinstance(error, EngineStartError)
    first = session_of(item).first_to_report(error, item.nodeid)
    if first != item.nodeid:
        reason = error.reason.partition("\n")[0][:_REASON]
        short = EngineStartError(f"{reason} (see {first})").with_traceback(excinfo.tb)
        excinfo = pytest.ExceptionInfo.from_exception(short)
    # The reason and the remedy help the user; a traceback through this plugin does not.
    return excinfo.getrepr(style="value")


def _add(report: pytest.TestReport, sections: list[tuple[str, str]], config: pytest.Config) -> None:
    """Add sections to the text of the failure, which all kinds of reports show.

    Of `report.sections`, junit XML, allure and the debugger only show what pytest captured.
    """
    add_section = getattr(report.longrepr, "addsection", None)
    if config.getoption("showcapture") == "no" or add_section is None:
        # The terminal hides these if asked to. And a failure of an item that is no Python test,
        # such as a doctest, has a text of its own, which takes no sections.
        report.sections += sections
        return
    for name, content in sections:
        add_section(name, content)
