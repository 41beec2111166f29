"""Hints for the engine: while a test runs, it prepares the sandbox of the next one.

A hint only affects speed: no test can see whether it was given.
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
from .templates.copies import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Keys for which there is no hint: those that need calls of their own, which a test would see in
#: its recorded calls, and a GPU, which two sandboxes cannot have at once.
_NO_HINT = {"gpu", "secrets", "volumes"}
_NEXT = pytest.StashKey["pytest.Item | None"]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Remember the next test."""
    item.stash[_NEXT] = nextitem


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Give the hint when this test has its sandboxes."""
    result = yield
    coming = item.stash.get(_NEXT, None)
    if coming is not None and settings(item.config).pool:
        # If a marker is invalid, the test that has it will fail, not this one.
        with contextlib.suppress(Exception, pytest.fail.Exception):
            _prepare(coming)
    return result


def _may_hint(item: pytest.Item) -> bool:
    """Whether its sandboxes can be made ahead: not with GPUs, which this test may have now."""
    return not is_faked(item) and wanted_gpus(item) is None


def _prepare(item: pytest.Item) -> None:
    session = session_of(item)
    # Before the first sandbox, a hint would look up the app, which a test would see in its calls.
    if session.connected is None or not session.created or not _may_hint(item):
        return
    from .create import creation

    for spec in _wanted(item):
        if not _NO_HINT & spec.keys():
            hint = creation(session.connected, (), placed(spec, item))
            if hint.snapshot is None:
                session.connected.extensions.prepare_in_background(*hint.args, **hint.keywords)


def _wanted(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """The keywords of the sandboxes that the fixtures of a test will create."""
    if "sandbox" in getattr(item, "fixturenames", ()):
        from .create import with_defaults

        spec = with_defaults(session_of(item).asked, merged_spec(item), faked=False)
        yield {key: value for key, value in spec.items() if key not in ("name", "alias")}
    if TEMPLATES in item.config.stash:
        yield from item.config.stash[TEMPLATES].wanted(item)
