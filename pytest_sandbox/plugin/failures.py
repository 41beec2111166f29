"""What a report shows besides: the sandboxes of a test that failed, and what it left behind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._run import EngineStartError

from .engine import ENGINE
from .fakes import FAKE
from .ownership import OWNED
from .report import TAIL, describe, hidden_values, title

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_sandbox.client import Client

#: Sandboxes of one test that are shown.
_SANDBOXES = 10
#: pytest shows, of the teardown of a test that passed, the sections that say so.
_LEFT_BEHIND = "left behind in sandboxes at teardown"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add sections, which travel with the report, from a worker of pytest-xdist too."""
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(EngineStartError):
        # The reason and the remedy are all there is to know; how we got there is not.
        report.longrepr = call.excinfo.getrepr(style="value")
    owned = item.stash.get(OWNED, None)
    if owned is None:
        return report
    if call.when == "teardown" and owned.left:
        report.sections.append((_LEFT_BEHIND, "\n".join(owned.left)))
    if report.failed:
        owned.failed = True
        session = item.config.stash[ENGINE]
        ids = [*owned.ids, *_wide(item, owned.ids)]
        report.sections += _sections(session.connected, ids, session.hidden)
        report.sections += _faked(item)
    return report


def _faked(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """What happened in sandboxes in memory, and what their engine has to say."""
    fake = item.stash.get(FAKE, None)
    if fake is not None:
        if fake.problems:
            yield "fake sandboxes", "\n".join(fake.problems)
        yield from _sections(fake.client, fake.ids, hidden_values(fake.client.secret_values))


def _sections(
    client: Client | None, ids: list[str], hidden: list[str]
) -> Iterator[tuple[str, str]]:
    if not ids or client is None:
        return
    unknown: dict[str, list[str]] = {}
    for sandbox_id, told in client.batch(ids[:_SANDBOXES]).describe(TAIL).items():
        if isinstance(told, Exception):
            unknown.setdefault(str(told), []).append(sandbox_id)
        else:
            yield title(told), describe(told, hidden)
    for reason, unknown_ids in unknown.items():
        yield f"sandbox {', '.join(unknown_ids)}", f"what happened there is not known: {reason}"
    if len(ids) > _SANDBOXES:
        yield "more sandboxes", f"({len(ids) - _SANDBOXES} not shown)"


def _wide(item: pytest.Item, shown: list[str]) -> list[str]:
    """The sandboxes that wider fixtures gave to the test as they are."""
    client = sys.modules.get("pytest_sandbox.client")
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    if client is None:
        return []
    ids = [each.object_id for each in arguments.values() if isinstance(each, client.Sandbox)]
    fake = item.stash.get(FAKE, None)
    elsewhere = {*shown, *(fake.ids if fake is not None else ())}
    return [each for each in ids if each not in elsewhere]
