"""Which tests may reach Modal's cloud, and which have not although they may.

Registered in runs with `--sandbox-engine=modal` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .. import fixtures
from ..fakes import is_faked
from ..marker import merged_spec
from ..networks import OWN
from ..options import has_engine_of_run
from ..templates.pytest_internals import definitions
from ..templates.template import ATTRIBUTE, Template
from .watch import watch_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: Fixtures that the cloud cannot have, and why.
_LOCAL = {
    "gpu": "it gives GPUs of this machine; the marker gpu alone gives those of the sandbox",
    "modal_server": "it stands in for Modal's servers, which the cloud has itself",
    "sandbox_network": "sandboxes in Modal's cloud cannot see each other by an alias",
    "sandbox_network_faults": "connections in Modal's cloud cannot be disturbed from here",
    "sandbox_network_log": "Modal does not say what a sandbox connects to",
}
#: An attribute of reports, which pytest-xdist sends to the controller.
_UNUSED = "sandbox_cloud_unused"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Watch the calls of the test from now on."""
    watch_of(item.config).begin(item)


# Not a wrapper: those of the other parts have begun, and will end what they began.
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what the cloud does not have before anything is made there."""
    if _is_in_cloud(item):
        _refuse_network(merged_spec(item))
        for name, found in definitions(item).items():
            if found:
                _refuse_fixture(name, found[-1])


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """Refuse fixtures that a test takes while it runs, by `request.getfixturevalue`."""
    item = watch_of(request.config).item
    if item is not None and _is_in_cloud(item):
        _refuse_fixture(fixturedef.argname, fixturedef)


def _is_in_cloud(item: pytest.Item) -> bool:
    return has_engine_of_run(item) and not is_faked(item)


def _refuse_fixture(name: str, found: pytest.FixtureDef[Any]) -> None:
    """Refuse one of this machine, and a template of what the cloud does not have."""
    if name in _LOCAL and found.func.__module__ == fixtures.__name__:
        pytest.fail(
            f"the fixture {name} does not work with --sandbox-engine=modal: {_LOCAL[name]}. "
            "Run the test with --sandbox-engine=local.",
            pytrace=False,
        )
    template = getattr(found.func, ATTRIBUTE, None)
    if not isinstance(template, Template):
        return
    _refuse_network(template.spec, f"the template {name!r} has ")
    if template.memory:
        pytest.fail(
            f"the template {name!r} has memory=True, which does not work with "
            "--sandbox-engine=modal: Modal's snapshots of programs are experimental, and not "
            "of each sandbox. Leave it out, or run the test with --sandbox-engine=local.",
            pytrace=False,
        )


def _refuse_network(spec: Mapping[str, Any], whose: str = "") -> None:
    if spec.get("network") != OWN:
        return
    which = ", which" if whose else ""
    pytest.fail(
        f"{whose}network='test'{which} does not work with --sandbox-engine=modal: "
        f"{_LOCAL['sandbox_network']}. Let the programs run in one sandbox, or reach another "
        "one by Sandbox.tunnels(), or run the test with --sandbox-engine=local.",
        pytrace=False,
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that went on after a refusal; note one that did not use its marker."""
    report = yield
    watch = watch_of(item.config)
    if call.when != "call":
        return report
    setattr(report, _UNUSED, watch.unused and report.outcome == "passed")
    if watch.refused and report.passed:
        report.outcome = "failed"
        report.longrepr = watch.refused
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Let whatever has to be ended be ended."""
    watch_of(item.config).end()
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that did not use their marker, those of workers too."""
    reports = terminalreporter.stats.get("passed", ())
    unused = [each.nodeid for each in reports if getattr(each, _UNUSED, False)]
    if unused:
        terminalreporter.write_sep("=", "tests marked with cloud that did not reach it")
        terminalreporter.write_line("Take the marker away, or see why they do not:")
        for name in unused:
            terminalreporter.write_line(f"  {name}")
