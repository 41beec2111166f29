"""Starts the engine while pytest still collects, once a test that needs it is collected."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import pytest

from .engine import ENGINE
from .fakes import is_faked
from .templates.taken import taken_templates

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Fixtures that need it, besides templates.
_NEED_ENGINE = {"sandbox", "sandbox_factory", "sandbox_engine", "modal_server"}
#: Options of pytest after which tests that are collected may not run.
_NARROWING = ("keyword", "markexpr", "deselect", "lf", "stepwise")
#: Those after which no test runs.
_WITHOUT_TESTS = ("collectonly", "setupplan")
_BEGUN = pytest.StashKey[bool]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Start the engine for the first test that needs it, unless it may be deselected."""
    if not _any(item.config, _NARROWING):
        _start_for([item], item.config)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the engine if a test needs it that was not deselected."""
    _start_for(session.items, session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test replace files while the engine starts, which uses them in a thread."""
    if "pyfakefs" in sys.modules:
        item.config.stash[ENGINE].wait_for_start()


def _start_for(items: Iterable[pytest.Item], config: pytest.Config) -> None:
    if _BEGUN in config.stash or _any(config, _WITHOUT_TESTS):
        return
    if any(_needs_engine(item) for item in items):
        config.stash[_BEGUN] = True
        config.stash[ENGINE].start_soon()


def _needs_engine(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    if not names or item.get_closest_marker("skip") is not None:
        return False
    with contextlib.suppress(pytest.fail.Exception):  # its marker is invalid, and it will fail
        needs = not _NEED_ENGINE.isdisjoint(names) or any(taken_templates(item))
        return needs and not is_faked(item)
    return False


def _any(config: pytest.Config, options: Iterable[str]) -> bool:
    return any(getattr(config.option, name, None) for name in options)
