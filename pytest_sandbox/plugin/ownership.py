"""Which sandboxes are whose: a test's end with it, those of wider fixtures with the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .engine import ENGINE
from .options import settings
from .report import command_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse

    from .engine import EngineSession

__tracebackhide__ = True  # a failing test shows its own lines, not these


class Watch:
    """The sandboxes of one test.

    Attributes:
        given: the ids of those that came from the fixtures of this plugin.
        left: what the test left behind, a line each, known once it is over.
        failed: whether the test failed before that.
    """

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._first = len(session.created)
        self._wide: set[str] = set()
        self.given: set[str] = set()
        self.left: list[str] = []
        self.failed = False

    @property
    def ids(self) -> list[str]:
        """Those created since the test began, but for those of wider fixtures."""
        return [each for each in self._session.created[self._first :] if each not in self._wide]

    @property
    def mark(self) -> int:
        """A point in time, for `widen`."""
        return len(self._session.created)

    def widen(self, since: int) -> None:
        """Let those created since then outlive the test."""
        self._wide.update(self._session.created[since:])

    def finish(self) -> dict[str, Exception]:
        """End them all and note what was left behind; which could not be ended, and why."""
        ids, client = self.ids, self._session.connected
        if not ids or client is None:
            return {}
        from .calls import describe, end

        for sandbox_id, told in describe(client, ids, 0).items():
            if not isinstance(told, Exception) and told.running:
                self.left += self._leftovers(sandbox_id, told)
        return end(client, ids)

    def _leftovers(self, sandbox_id: str, told: InspectorDescribeResponse) -> Iterator[str]:
        if sandbox_id not in self.given:
            yield f"sandbox {sandbox_id}, which the test created and did not terminate"
        for number, command in enumerate(told.commands, 1):
            if command.running and not command.main:
                line = command_line(command, self._session.hidden)
                yield f"command [{number}] in sandbox {sandbox_id}, still running: {line}"


WATCH = pytest.StashKey[Watch]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Begin before any fixture of the test."""
    session = item.config.stash[ENGINE]
    item.stash[WATCH] = session.watch = Watch(session)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Keep what a fixture wider than a test creates for those who use it later."""
    session = request.config.stash[ENGINE]
    watch = session.watch
    if watch is None or fixturedef.scope == "function":
        return (yield)
    since = watch.mark
    try:
        with session.outside_of_tests():
            return (yield)
    finally:
        watch.widen(since)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """End everything after all fixtures of the test."""
    try:
        result = yield
    finally:
        watch = item.stash[WATCH]
        stuck = watch.finish()
        item.config.stash[ENGINE].watch = None
    if stuck:
        errors = "\n".join(sorted({str(error) for error in stuck.values()}))
        pytest.fail(f"not ended: sandbox {', '.join(stuck)}\n{errors}", pytrace=False)
    # A test that failed could not tidy up: what it left is in its report, and no second error.
    if watch.left and not watch.failed and settings(item.config).strict:
        pytest.fail(
            "the test left behind:\n" + "\n".join(watch.left) + "\n"
            "Wait for commands and terminate sandboxes, or run without --sandbox-strict.",
            pytrace=False,
        )
    return result
