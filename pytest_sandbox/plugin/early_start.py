"""Starts the engine while pytest still collects, once a test that needs it is collected."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from .collected import COLLECTED
from .engine import ENGINE
from .fakes import is_faked
from .options import has_engine_of_run, settings
from .templates.pytest_internals import definitions
from .templates.taken import taken_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Fixtures that need it, besides templates.
_NEED_ENGINE = {"sandbox", "sandbox_factory", "sandbox_engine", "modal_server"}
#: Options of pytest after which tests that are collected may not run.
_NARROWING = ("keyword", "markexpr", "deselect", "lf", "stepwise")
#: Those after which no test runs.
_WITHOUT_TESTS = ("collectonly", "setupplan")
#: Names of fixtures that pytest makes of `setup_module`, `setup_class` and `setUpClass`.
_XUNIT = ("_xunit_setup_", "_unittest_setUpClass_")
#: Where packages are that were installed.
_INSTALLED = ("/site-packages/", "/dist-packages/")
_OURS = os.path.dirname(os.path.dirname(__file__)) + "/"
#: Whether it is decided if the engine starts early.
_DECIDED = pytest.StashKey[bool]()


@pytest.hookimpl(trylast=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Start the engine for the first test that needs it, unless it may be deselected."""
    if not _any(item.config, _NARROWING):
        so_far = item.config.stash[COLLECTED]
        _start_for(item, so_far)


def start_for_first(items: Sequence[pytest.Item]) -> None:
    """Start the engine if a test needs it that was not deselected."""
    for number, item in enumerate(items, 1):  # there may be fewer, in another order
        if _start_for(item, islice(items, number)):
            break
    if items:
        items[0].config.stash[_DECIDED] = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test replace files while the engine starts, which uses them in a thread."""
    if "pyfakefs" in sys.modules:
        item.config.stash[ENGINE].wait_for_start()


def _start_for(item: pytest.Item, so_far: Iterable[pytest.Item]) -> bool:
    """Start the engine if a test needs it, unless tests so far may prepare something for it.

    Returns:
        Whether it is decided now if the engine starts early.
    """
    stash = item.config.stash
    if _DECIDED not in stash and not _may_start(item.config):
        stash[_DECIDED] = True
    if _DECIDED not in stash and _needs_engine(item):
        stash[_DECIDED] = True
        if not any(_prepares(each) for each in so_far):
            stash[ENGINE].start_soon()
    return _DECIDED in stash


def _may_start(config: pytest.Config) -> bool:
    asked = settings(config)
    return asked.early_start and asked.engine != "fake" and not _any(config, _WITHOUT_TESTS)


def _needs_engine(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    if not names or item.get_closest_marker("skip") is not None:
        return False
    with contextlib.suppress(pytest.fail.Exception):  # its marker is invalid, and it will fail
        needs = not _NEED_ENGINE.isdisjoint(names) or any(taken_templates(item))
        return needs and _on_engine_of_run(item) and _runs(item)
    return False


def _on_engine_of_run(item: pytest.Item) -> bool:
    return has_engine_of_run(item) and not is_faked(item)


def _runs(item: pytest.Item) -> bool:
    """Whether no marker may keep a test from running; text as a condition is not evaluated."""
    marks = [*item.iter_markers("skipif")]
    marks += [mark for mark in item.iter_markers("xfail") if not mark.kwargs.get("run", True)]
    for mark in marks:
        conditions = (mark.kwargs["condition"],) if "condition" in mark.kwargs else mark.args
        if not conditions or any(each is not False for each in conditions):
            return False
    return True


def _prepares(item: pytest.Item) -> bool:
    """Whether a test has fixtures of the project that many tests share, and the engine may need.

    They may set environment variables, or install a package. The engine takes both as they are when
    it starts.
    """
    return any(
        each.scope != "function" and (name.startswith(_XUNIT) or _is_of_project(each))
        for name, found in definitions(item).items()
        for each in found
    )


def _is_of_project(fixture: pytest.FixtureDef[object]) -> bool:
    """Whether a fixture is neither ours nor an installed package's; not if it needs the engine."""
    if not _NEED_ENGINE.isdisjoint(fixture.argnames) or _file(fixture.func).startswith(_OURS):
        return False
    file = _file(inspect.unwrap(fixture.func))
    return not any(part in file for part in _INSTALLED)


def _file(function: object) -> str:
    """Where a function is defined; empty if it has no code."""
    return getattr(getattr(function, "__code__", None), "co_filename", "")


def _any(config: pytest.Config, options: Iterable[str]) -> bool:
    return any(getattr(config.option, name, None) for name in options)
