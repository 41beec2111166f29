"""The figures of `pytest-sandbox bench`, and their report. Its options are in `cli/bench.py`.

Each figure times its baseline in turn with its own samples. Its module is imported when it is
measured: another version of the package may lack what it needs, and `--help` needs the names only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Bench

__all__ = ["FIGURES", "figure"]

#: Module and function of each figure.
_PLACES = {
    "start": "sandboxes.start",
    "create": "sandboxes.create",
    "spare": "sandboxes.spare",
    "first": "snapshots.first",
    "exec": "commands.exec_true",
    "run": "commands.run_true",
    "files": "commands.files",
    "concurrent": "crowds.concurrent",
    "terminate-all": "crowds.terminate_all",
    "crowd": "crowds.crowd",
    "stream": "calls.stream",
    "recording": "calls.recording",
    "collect": "suites.collect",
    "fixture": "suites.fixture",
    "fake": "fakes.fake",
    "fake-suite": "fakes.fake_suite",
    "fork": "fakes.fork",
    "snapshot": "snapshots.snapshot",
    "restore": "snapshots.restore",
    "depth": "snapshots.depth",
    "template-suite": "suites.template_suite",
    "memory": "memory_snapshots.memory",
    "gpu": "gpus.gpu",
    "network": "networks.network",
    "sandbox-network": "sandbox_networks.sandbox_network",
    "remote": "remote.remote",
    "containers": "containers.containers",
    "alternatives": "alternatives.alternatives",
    "steps": "steps.steps",
}
#: All names, in the order in which they are measured.
FIGURES = tuple(_PLACES)


def figure(name: str) -> Callable[[Bench], None]:
    """The function that measures a figure."""
    module, _, function = _PLACES[name].partition(".")
    found = importlib.import_module(f".{module}", __package__)
    measure: Callable[[Bench], None] = getattr(found, function)
    return measure
