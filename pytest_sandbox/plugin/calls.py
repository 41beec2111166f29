"""The calls of a test, faults of calls, and faults of connections."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from .engine import session_of
from .fakes import NAME, is_faked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_sandbox.rpcs import Faults, NetworkFaults, Rpcs

#: The environment variable whose value names the caller of the calls of a process and its children.
_CALLER = "PYTEST_SANDBOX_CALLER"
_FIXTURE = "sandbox_rpcs"

_OUTER_CALLER = pytest.StashKey["str | None"]()
_RPCS = pytest.StashKey["Rpcs"]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the calls of a worker of pytest-xdist distinguishable from those of the others."""
    if hasattr(config, "workerinput"):
        config.stash[_OUTER_CALLER] = os.environ.get(_CALLER)
        os.environ[_CALLER] = config.workerinput["workerid"]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    if _OUTER_CALLER in config.stash:
        outer = config.stash[_OUTER_CALLER]
        os.environ.pop(_CALLER)
        if outer is not None:
            os.environ[_CALLER] = outer


# Neither first nor last: after marks that skip the test, before its fixtures.
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to record before the first fixture, if the test asks for the calls."""
    if _FIXTURE in getattr(item, "fixturenames", ()) and not is_faked(item):
        _begin(item).begin_phase("setup")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Begin the second phase."""
    if _RPCS in item.stash:
        item.stash[_RPCS].begin_phase("call")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Begin the third phase, and stop recording after it."""
    if _RPCS not in item.stash:
        return (yield)
    # If the engine died during the test, the test itself reports it.
    with contextlib.suppress(Exception):
        item.stash[_RPCS].begin_phase("teardown")
    try:
        return (yield)
    finally:
        with contextlib.suppress(Exception):
            item.stash[_RPCS].close()
        del item.stash[_RPCS]


def _begin(item: pytest.Item) -> Rpcs:
    from pytest_sandbox.rpcs import Rpcs

    client = session_of(item).client()
    rpcs = item.stash[_RPCS] = Rpcs(client.inspector, caller=_caller())
    return rpcs


def _caller() -> str:
    return os.environ.get(_CALLER, "")


def rpcs_of_test(request: pytest.FixtureRequest) -> Rpcs:
    """The calls of a test."""
    item = request.node
    if is_faked(item):
        faked: Rpcs = request.getfixturevalue(NAME).rpcs
        return faked
    if _RPCS not in item.stash:  # requested with `getfixturevalue` during the test
        _begin(item).begin_phase("call")
    rpcs: Rpcs = item.stash[_RPCS]
    return rpcs


def faults_of_test(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """The faults of the calls of a test, while they are in use."""
    from pytest_sandbox.rpcs import Faults

    if is_faked(request.node):
        yield request.getfixturevalue(NAME).faults
        return
    faults = Faults(session_of(request.node).client().inspector, caller=_caller())
    yield faults
    end_faults(faults)


def network_faults_of_test(request: pytest.FixtureRequest) -> Iterator[NetworkFaults]:
    """The faults of connections of sandboxes of a test, while they are in use."""
    from pytest_sandbox.rpcs import NetworkFaults

    if is_faked(request.node):
        yield request.getfixturevalue(NAME).network_faults
        return
    faults = NetworkFaults(session_of(request.node).client().inspector, caller=_caller())
    yield faults
    end_faults(faults)


def end_faults(faults: Faults | NetworkFaults) -> None:
    """Clear the faults of a test; it fails if one did not fire."""
    from pytest_sandbox.rpcs import Faults

    made = "calls" if isinstance(faults, Faults) else "connections"
    try:
        unfired = faults.unfired()
    finally:
        faults.clear()
    if unfired:
        listed = "\n".join(f"  {each!r}" for each in unfired)
        pytest.fail(
            f"faults that did not fire as often as planned:\n{listed}\n"
            f"Make the {made} that they apply to, or add .optional().",
            pytrace=False,
        )
