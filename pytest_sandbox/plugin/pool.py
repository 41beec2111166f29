"""Hints for the engine: while a test runs, it prepares the sandbox of the next one.

If the two are alike, the call that creates the one tells of the other. Else the hint is a call of
its own. It only affects speed: no test can see whether it was given.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from .engine import session_of
from .fakes import is_faked
from .gpu.marker import wanted_gpus
from .marker import merged_spec
from .networks import placed
from .options import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from pytest_sandbox.client import Client

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Keys for which there is no hint: those that need calls of their own, which a test would see in
#: its recorded calls, and a GPU, which two sandboxes cannot have at once.
_NO_HINT = {"gpu", "secrets", "volumes"}
#: Keywords in which the sandboxes of two tests may differ: only one sandbox can have such a name.
_NAMES = {"alias", "name"}
#: Functions that give the keywords of the sandboxes which fixtures of a test will create, besides
#: those of `sandbox`.
WANTED: pytest.StashKey[list[Callable[[pytest.Item], Iterator[dict[str, Any]]]]] = pytest.StashKey()
_NEXT = pytest.StashKey["pytest.Item | None"]()
#: While a test is set up: the hints that were given by the calls that created its sandboxes.
_GIVEN = pytest.StashKey["list[dict[str, Any]]"]()
#: How many hints were given about the sandboxes of a test.
_AHEAD = pytest.StashKey[int]()
#: How many sandboxes the local engine makes ahead at least, on a small machine.
_LEAST_ROOM = 2


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Remember the next test."""
    item.stash[_NEXT] = nextitem


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Give the hints that are left when this test has its sandboxes."""
    given = item.stash[_GIVEN] = []
    try:
        result = yield
    finally:
        del item.stash[_GIVEN]
    coming = _next(item)
    if coming is not None:
        # If a marker is invalid, the test that has it will fail, not this one.
        with contextlib.suppress(Exception, pytest.fail.Exception):
            _prepare(coming, given)
    return result


def tells_of_next(item: pytest.Item, client: Client, spec: Mapping[str, Any]) -> bool:
    """Whether the call that creates a sandbox for a test is to tell of one for the next test.

    Args:
        item: the test.
        client: where it is created.
        spec: keywords of `Sandbox.create`; it has no main process.
    """
    coming = _next(item)
    if coming is None or _GIVEN not in item.stash:
        return False
    if item.stash.get(_AHEAD, 0) > _LEAST_ROOM:
        return False  # what is made ahead for the next test would drive out what this one takes
    given = item.stash[_GIVEN]
    with contextlib.suppress(Exception, pytest.fail.Exception):
        if session_of(coming).connected is client:
            like = _without(_NAMES, spec)
            if like not in given and like in _wanted(coming):
                given.append(like)
                return True
    return False


def _next(item: pytest.Item) -> pytest.Item | None:
    """The next test, if it may get hints."""
    return item.stash.get(_NEXT, None) if settings(item.config).pool else None


def _prepare(item: pytest.Item, given: list[dict[str, Any]]) -> None:
    session = session_of(item)
    # Before the first sandbox, a hint would look up the app, which a test would see in its calls.
    if session.connected is None or not session.created:
        return
    from .create import creation

    left = [spec for spec in _wanted(item) if spec not in given]
    item.stash[_AHEAD] = len(given) + len(left)
    for spec in left:
        hint = creation(session.connected, (), spec)
        if hint.snapshot is None:
            session.connected.extensions.prepare_in_background(*hint.args, **hint.keywords)


def _wanted(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """The keywords of the sandboxes that are to be made ahead for a test: not with GPUs.

    The test before may have these now.
    """
    if is_faked(item) or wanted_gpus(item) is not None:
        return
    for spec in _created(item):
        if not _NO_HINT & spec.keys():
            yield placed(_without(_NAMES, spec), item)


def _created(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """The keywords of the sandboxes that the fixtures of a test will create."""
    if "sandbox" in getattr(item, "fixturenames", ()):
        from .create import with_defaults

        yield with_defaults(session_of(item).asked, merged_spec(item), faked=False)
    for wanted in item.config.stash.get(WANTED, ()):
        yield from wanted(item)


def _without(keys: set[str], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in keys}
