"""Which sandboxes end when: those of a test with the test, those of wider fixtures with the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from .engine import ENGINE, session_of
from .options import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from pytest_sandbox._proto.inspector_pb2 import SandboxCommand

    from .engine import EngineSession

__tracebackhide__ = True  # a failing test shows its own lines, not these


class OwnedSandboxes:
    """The sandboxes that one test owns: all that were created since it began.

    Sandboxes that a fixture of wider scope created meanwhile are not among them.

    Attributes:
        session: of their engine.
        given: the ids of those that the fixtures of this plugin created.
        left: what the test left behind, one line for each item; known once the test is over.
        failed: whether the test failed before that.
    """

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self._first = len(session.created)
        self._disowned: set[str] = set()
        self.given: set[str] = set()
        self.left: list[str] = []
        self.failed = False

    @property
    def ids(self) -> list[str]:
        """Their ids, the oldest first."""
        created = self.session.created[self._first :]
        return [each for each in created if each not in self._disowned]

    @property
    def count(self) -> int:
        """How many sandboxes the run has created so far, for `disown`."""
        return len(self.session.created)

    def disown(self, since: int) -> None:
        """Let sandboxes outlive the test: those created after `count` was `since`."""
        self._disowned.update(self.session.created[since:])

    def end(self) -> dict[str, Exception]:
        """Note in `left` what was left behind, and end all sandboxes.

        Returns:
            For each sandbox that could not be ended, the reason.
        """
        ids, client = self.ids, self.session.connected
        if not ids or client is None:
            return {}
        stuck: dict[str, Exception] = {}
        for sandbox_id, outcome in client.batch(ids).end().items():
            if isinstance(outcome, Exception):
                stuck[sandbox_id] = outcome
            elif outcome.running:
                self.left += self._leftovers(sandbox_id, outcome.commands)
        return stuck

    def _leftovers(self, sandbox_id: str, commands: Iterable[SandboxCommand]) -> Iterator[str]:
        if sandbox_id not in self.given:
            yield f"sandbox {sandbox_id}, which the test created and did not terminate"
        for number, command in enumerate(commands, 1):
            if command.running and not command.main:
                from .reports.report import command_line  # late: most tests leave nothing behind

                line = command_line(command, self.session.hidden)
                yield f"command [{number}] in sandbox {sandbox_id}, still running: {line}"


OWNED = pytest.StashKey[OwnedSandboxes]()
#: Of the test that is running; `None` between tests.
_OWNED_NOW = pytest.StashKey["OwnedSandboxes | None"]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Begin before any fixture of the test."""
    owned = OwnedSandboxes(session_of(item))
    item.stash[OWNED] = item.config.stash[_OWNED_NOW] = owned
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let the sandboxes that a fixture of wider scope creates outlive the test."""
    owned = request.config.stash.get(_OWNED_NOW, None)
    if owned is None or fixturedef.scope == "function":
        return (yield)
    since = owned.count
    try:
        with request.config.stash[ENGINE].outside_of_tests(owned.session):
            return (yield)
    finally:
        owned.disown(since)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """End the test's sandboxes after all fixtures of the test."""
    try:
        result = yield
    finally:
        owned = item.stash[OWNED]
        stuck = owned.end()
        item.config.stash[_OWNED_NOW] = None
    if stuck:
        fail_for(stuck, owned.session)
    # A test that failed had no chance to tidy up: its report lists what it left, and a second
    # error would only hide the first.
    if owned.left and not owned.failed and settings(item.config).strict:
        pytest.fail(
            "the test left behind:\n" + "\n".join(owned.left) + "\n"
            "Wait for commands and terminate sandboxes, or run without --sandbox-strict.",
            pytrace=False,
        )
    return result


def fail_for(stuck: Mapping[str, Exception], session: EngineSession) -> NoReturn:
    """Fail a test some of whose sandboxes could not be ended.

    Args:
        stuck: the reasons, by the ids of these.
        session: their engine's.
    """
    errors = "\n".join(sorted({str(error) for error in stuck.values()}))
    where = _where(session)
    pytest.fail(f"could not end sandbox {', '.join(stuck)}{where}\n{errors}", pytrace=False)


def _where(session: EngineSession) -> str:
    """The machine of sandboxes, as a sentence ends with it; empty if it is this one.

    Who does not answer cannot say it.
    """
    engine = session.asked.engine
    if "://" not in engine:
        return ""
    from pytest_sandbox._shared.network.engine_address import place_of

    return f" on {place_of(engine)}"
