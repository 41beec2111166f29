"""While a test runs, the engine is told what the next one will ask for: nothing shows but time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from .create import creation
from .engine import ENGINE
from .fakes import is_faked
from .marker import merged_spec
from .options import settings
from .templates.copies import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Keys that need calls of their own, which would show; or what is not to be had twice.
_ASKED_FOR = {"gpu", "secrets", "volumes"}
_NEXT = pytest.StashKey["pytest.Item | None"]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Know what comes."""
    item.stash[_NEXT] = nextitem


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Tell what comes, once this test has its own."""
    result = yield
    coming = item.stash.get(_NEXT, None)
    if coming is not None and settings(item.config).pool and not is_faked(coming):
        _prepare(coming)
    return result


def _prepare(item: pytest.Item) -> None:
    session = item.config.stash[ENGINE]
    # Before the first sandbox, a hint would have to ask for things that a test's calls show.
    if session.connected is None or not session.created:
        return
    # What is wrong with a marker is for its own test to say.
    with contextlib.suppress(Exception, pytest.fail.Exception):
        for spec in _wanted(item):
            if not _ASKED_FOR & spec.keys():
                hint = creation(session.connected, (), spec)
                if hint.snapshot is None:
                    session.connected.extensions.prepare_in_background(*hint.args, **hint.keywords)


def _wanted(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """What the fixtures of a test will create, as far as that is known."""
    if "sandbox" in getattr(item, "fixturenames", ()):
        spec = {"image": settings(item.config).image, **merged_spec(item)}
        yield {key: value for key, value in spec.items() if key != "name"}
    if TEMPLATES in item.config.stash:
        yield from item.config.stash[TEMPLATES].wanted(item)
