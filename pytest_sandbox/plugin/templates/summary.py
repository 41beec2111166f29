"""The section "sandbox templates" at the end of a run: what each template cost."""

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

#: The key of a worker's uses in what pytest-xdist sends to the controller.
_WORKER_OUTPUT = "pytest_sandbox_templates"

_USES = pytest.StashKey["dict[str, dict[str, Any]]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no uses."""
    config.stash[_USES] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Collect the uses of this process, and send them to the controller if there is one."""
    config = session.config
    if TEMPLATES in config.stash:
        uses = {key: asdict(use) for key, use in config.stash[TEMPLATES].uses.items()}
        if hasattr(config, "workeroutput"):
            config.workeroutput[_WORKER_OUTPUT] = json.dumps(uses)
        _add(config, uses)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the uses of a worker; one that crashed sent none."""
    uses_by_key = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT, "{}")
    _add(node.config, json.loads(uses_by_key))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write a line for each template."""
    uses_by_key = config.stash[_USES]
    if uses_by_key:
        terminalreporter.write_sep("=", "sandbox templates")
        titles = Counter(use["title"] for use in uses_by_key.values())
        for use in sorted(uses_by_key.values(), key=lambda use: (use["title"], use["home"])):
            if titles[use["title"]] > 1:
                home = use["home"].removeprefix(f"{config.rootpath}{os.sep}")
                use["title"] += f" of {home}"
            terminalreporter.write_line(" ".join(_words(use)))


def _add(config: pytest.Config, uses: Mapping[str, dict[str, Any]]) -> None:
    uses_by_key = config.stash[_USES]
    for key, use in uses.items():
        if key in uses_by_key:
            uses_by_key[key]["restores"] += use["restores"]
        else:
            uses_by_key[key] = use


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
    if outcome["not_stored"]:
        yield f"- not stored for later runs: {outcome['not_stored']}"
