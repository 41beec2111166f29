"""What the templates of a run cost, at its end."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from .copies import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Where a worker of pytest-xdist leaves what it had.
_WORKER_OUTPUT = "pytest_sandbox_templates"

_TOLD = pytest.StashKey["dict[str, dict[str, Any]]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is known yet."""
    config.stash[_TOLD] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take what this process had, and hand it to the controller if there is one."""
    config = session.config
    if TEMPLATES in config.stash:
        uses = {key: asdict(use) for key, use in config.stash[TEMPLATES].uses.items()}
        if hasattr(config, "workeroutput"):
            config.workeroutput[_WORKER_OUTPUT] = json.dumps(uses)
        _add(config, uses)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker had; one that crashed left nothing."""
    told = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT, "{}")
    _add(node.config, json.loads(told))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """A line for each."""
    told = config.stash[_TOLD]
    if told:
        terminalreporter.write_sep("=", "sandbox templates")
        titles = Counter(use["title"] for use in told.values())
        for use in sorted(told.values(), key=lambda use: (use["title"], use["home"])):
            if titles[use["title"]] > 1:
                home = use["home"].removeprefix(f"{config.rootpath}{os.sep}")
                use["title"] += f" of {home}"
            terminalreporter.write_line(" ".join(_words(use)))


def _add(config: pytest.Config, uses: Mapping[str, dict[str, Any]]) -> None:
    told = config.stash[_TOLD]
    for key, use in uses.items():
        if key in told:
            told[key]["restores"] += use["restores"]
        else:
            told[key] = use


def _words(use: Mapping[str, Any]) -> Iterator[str]:
    outcome, restores = use["outcome"], use["restores"]
    if outcome["error"]:
        did = "not built, after"
    elif outcome["skipped"]:
        did = "skipped after"
    else:
        did = "recalled in" if outcome["recalled"] else "built in"
    yield f"{use['title']}: {did} {outcome['seconds']:.2f} s"
    if outcome["worker"]:
        yield f"by {outcome['worker']}"
    if restores:
        median = f"{1000 * sorted(restores)[len(restores) // 2]:.1f} ms"
        several = f"{len(restores)} times, {median} each (median)"
        yield f"- used once, {median}" if len(restores) == 1 else f"- used {several}"
    if outcome["unkept"]:
        yield f"- not kept for later runs: {outcome['unkept']}"
