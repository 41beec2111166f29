"""Sandboxes in memory: the fixture `fake_sandboxes`, an engine for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.real import real_files
from pytest_sandbox._shared.suggestions import did_you_mean

from .gpu.held import gpu_keywords
from .modal import marker as modal_marker
from .options import chosen_engine, engine_of, network_setting, settings
from .ownership import OWNED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.inmemory import FakeSandboxes

NAME = "fake_sandboxes"
#: The keywords of the marker, with their types and a description of these.
KEYS: dict[str, tuple[tuple[type, ...], str]] = {
    "allow": ((list, tuple), "a list of names of rules"),
    "autojump": ((bool,), "True or False"),
    "disk": ((int,), "a number of bytes"),
    "files": ((dict,), "a dict of absolute paths to contents"),
    "gpus": ((list, tuple), "a list of names"),
    "network": ((str,), "'none' or 'open'"),
    "volume_semantics": ((str,), "'modal' or 'shared'"),
}

FAKE = pytest.StashKey["FakeSandboxes"]()
#: The ids of its sandboxes, after it has ended: fixtures of the test still hold them.
ENDED_IDS = pytest.StashKey["list[str]"]()
_PHASE = pytest.StashKey[str]()


# Not in pytest_configure, which `pytest --help` calls too: help must work on a broken setting.
def pytest_sessionstart(session: pytest.Session) -> None:
    """With `--sandbox-engine=fake`, give each test an engine of its own."""
    if settings(session.config).engine == "fake":
        session.config.pluginmanager.register(EveryTest(), "pytest-sandbox-fake-sandboxes")


class EveryTest:
    """A plugin whose fixture gives each test an engine of its own, even if it asks for none."""

    @pytest.fixture(autouse=True)
    def _fake_sandboxes_for_all(self, request: pytest.FixtureRequest) -> None:
        """While a test runs, `Sandbox.create` uses the engine of the test."""
        # No argument: the test itself takes the fixture only if it names it.
        request.getfixturevalue(NAME)


def takes_fake_sandboxes(item: pytest.Item) -> bool:
    """Whether a test, or a fixture of it, names the fixture; not if the option gives it to all.

    On another engine of the marker `parametrize_engines`, the fixture gives `None`.
    """
    return NAME in getattr(item, "fixturenames", ()) and _may_be_faked(item)


def is_faked(item: pytest.Item) -> bool:
    """Whether a test has an engine in memory of its own."""
    return (
        FAKE in item.stash
        or takes_fake_sandboxes(item)
        or engine_of(item) == "fake"
        or (modal_marker.asks_for_fake(item) and _may_be_faked(item))
    )


def _may_be_faked(item: pytest.Item) -> bool:
    return chosen_engine(item) in ("", "fake")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the first phase."""
    item.stash[_PHASE] = "setup"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Begin the second phase."""
    _begin(item, "call")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Begin the third phase."""
    _begin(item, "teardown")


def _begin(item: pytest.Item, phase: str) -> None:
    item.stash[_PHASE] = phase
    if FAKE in item.stash:
        item.stash[FAKE].rpcs.begin_phase(phase)


def fake_of_test(item: pytest.Item) -> Iterator[FakeSandboxes | None]:
    """The engine in memory of a test, while it is in use; `None` on another engine."""
    if not _may_be_faked(item):
        yield None
        return
    with real_files():  # which modules keep that are imported now
        from pytest_sandbox.inmemory import FakeSandboxes

    spec = _spec(item)
    try:
        fake = FakeSandboxes(seed=item.nodeid, **spec)
    except (ValueError, OSError) as error:
        pytest.fail(f"{NAME}: {error}", pytrace=False)
    fake.rpcs.begin_phase(item.stash[_PHASE])
    if takes_fake_sandboxes(item):
        fake.client.gpu = gpu_keywords(item).get("gpu")
    item.stash[FAKE] = fake
    try:
        with fake:
            yield fake
            # A test that failed breaks rules because it failed: a second error would not help.
            broken = [] if item.stash[OWNED].failed else fake.finish()
    finally:
        item.stash[ENDED_IDS] = fake.ids
        del item.stash[FAKE]
    if broken:
        pytest.fail("\n\n".join(broken), pytrace=False)


def _spec(item: pytest.Item) -> dict[str, Any]:
    """The keywords for `FakeSandboxes`, from the markers of a test and the ini file.

    Raises:
        pytest.fail.Exception: a marker is invalid.
    """
    spec: dict[str, Any] = {}
    allow = list(item.config.getini("fake_sandboxes_allow"))
    for mark in (*item.iter_markers(NAME), *item.iter_markers(modal_marker.NAME)):
        if mark.args:
            pytest.fail(
                f"@pytest.mark.{mark.name} takes keywords only, not {mark.args!r}", pytrace=False
            )
        keys = dict(mark.kwargs)
        if mark.name == modal_marker.NAME:
            for key in modal_marker.OWN_KEYS:
                keys.pop(key, None)
        for key, value in keys.items():
            if problem := _problem(key, value):
                pytest.fail(f"@pytest.mark.{mark.name}({key}={value!r}): {problem}", pytrace=False)
        allow += keys.get("allow", ())
        spec = {**keys, **spec}
    return {"network": network_setting(item.config), **spec, "allow": allow}


def _problem(key: str, value: object) -> str:
    if key not in KEYS:
        known = did_you_mean(key, KEYS) or f"there are {', '.join(KEYS)}"
        return f"there is no key {key!r}; {known}"
    kinds, words = KEYS[key]
    return "" if isinstance(value, kinds) else f"{key} must be {words}, not {type(value).__name__}"
