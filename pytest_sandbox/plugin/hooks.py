"""The hooks that every run of pytest needs; they load the others once something needs those.

Most projects have few tests with sandboxes, and many runs have none: while pytest collects, the
plugin is these hooks, the fixtures and the declarations. The other parts are loaded when one of
these occurs:

- something of the plugin is set, on the command line, in the environment or in the ini file;
- a test is collected that names a fixture or has a marker of the plugin;
- the client or a template is imported;
- pytest is about to run tests, or starts workers of pytest-xdist, or is one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox import _run

from . import modules
from .collected import COLLECTED, is_concerned
from .declarations import ENGINES_MARKER, declare_markers, is_set

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .engine import EngineSession

_PACKAGE = __package__
#: Modules that users import, in which there is something for the other parts to do.
_CLIENT, _TEMPLATES = "pytest_sandbox.client", f"{_PACKAGE}.templates.template"

_LOADED = pytest.StashKey[bool]()
#: What found the default client before this run.
_OUTER: pytest.StashKey[Callable[[], Any] | None] = pytest.StashKey()


def _session(config: pytest.Config) -> EngineSession:
    """The engine of a run; loads the other parts."""
    _load(config)
    from .engine import ENGINE

    return config.stash[ENGINE]


def _load(config: pytest.Config) -> None:
    if _LOADED not in config.stash:
        config.stash[_LOADED] = True
        from .parts import register_parts

        register_parts(config.pluginmanager)


def _load_parity(config: pytest.Config) -> None:
    """Register the part for tests on several engines."""
    _load(config)
    from .parity import part

    if not config.pluginmanager.has_plugin(part.__name__):
        config.pluginmanager.register(part, part.__name__)


def _watch_cloud(config: pytest.Config) -> None:
    """Register the part for tests in Modal's cloud, if they run there."""
    from pytest_sandbox._shared.engine_options import CLOUD_ENGINE

    from .options import settings

    if settings(config).engine == CLOUD_ENGINE:
        from .in_cloud import reach

        config.pluginmanager.register(reach, reach.__name__)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and be where the client has its default from."""
    modules.restore()
    declare_markers(config)
    config.stash[COLLECTED] = []
    config.stash[_OUTER] = _run.default_client
    _run.default_client = lambda: _session(config).client()
    if is_set(config) or hasattr(config, "workerinput"):
        _load(config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the engine after all other plugins are done."""
    _run.default_client = config.stash[_OUTER]
    if _LOADED in config.stash:
        _session(config).close()
    modules.remember()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the run to a worker of pytest-xdist."""
    _session(node.config).hand_over(node.workerinput)
    _load_parity(node.config)  # which workers have tests for that need it, is known there only


def pytest_report_header(config: pytest.Config) -> str:
    """The effective engine, and the source of the choice."""
    from .options import settings

    header, engine = settings(config).header, settings(config).engine
    if "://" not in engine or engine.startswith("ray:"):
        return header
    from .far_machine import far_machine

    return f"{header}, {far_machine(engine)}"


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: object, plugin_name: str) -> None:
    """Add what belongs to the templates of a `conftest.py`, or of another plugin."""
    if _TEMPLATES in sys.modules:
        from .templates.fixtures import add_image_fixtures

        add_image_fixtures(plugin, plugin_name)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> None:
    """Add what belongs to the templates of a test module, before its tests are collected."""
    if _TEMPLATES in sys.modules:
        from .templates.fixtures import register_image_fixtures

        register_image_fixtures(collector)


# Last, so that the engine is the last part of the id.
@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each engine that its marker names."""
    mark = metafunc.definition.get_closest_marker(ENGINES_MARKER)
    if mark is not None:
        _load_parity(metafunc.config)
        from .parity.marker import parametrize

        parametrize(metafunc, mark)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge the markers of the tests that were collected."""
    report = yield
    imported = _CLIENT in sys.modules or _TEMPLATES in sys.modules
    if imported or any(map(is_concerned, report.result or ())):
        _load(collector.config)
    if report.failed or _LOADED in collector.config.stash:
        from .collection import judge

        judge(report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Remember the test, which may prepare something that the engine reads when it starts."""
    item.config.stash[COLLECTED].append(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Look at the tests once more: plugins may have added markers, or deselected some."""
    config = session.config
    config.stash[COLLECTED] = []
    if _LOADED in config.stash or any(map(is_concerned, session.items)):
        _load(config)
        from .early_start import start_for_first

        start_for_first(session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Let processes that tests start find the run."""
    config = session.config
    if config.option.collectonly:
        return
    if _LOADED in config.stash or session.items:
        _session(config).announce()
        _watch_cloud(config)


# Here, so that hooks of `conftest.py` see the sections, which those of the other parts need not.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the sections; a worker of pytest-xdist sends them with the report."""
    report = yield
    if _LOADED in item.config.stash:
        from .reports.failures import complete

        complete(report, item, call)
    return report
