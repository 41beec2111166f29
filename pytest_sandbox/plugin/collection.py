"""What is wrong with tests and modules that were collected, as their reports tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .declarations import ENGINES_MARKER
from .gpu.collection import gpu_problem
from .marker import needs_isolation, problems
from .modal.hints import explain_failed_import

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def judge(report: pytest.CollectReport) -> None:
    """Turn invalid markers into an error of the collection, with one line for each test."""
    explain_failed_import(report)
    items = [node for node in report.result or () if isinstance(node, pytest.Item)]
    # Markers that are invalid by themselves first: the other problems are between markers.
    lines = [*_of_markers(items)] or [
        *_of_gpus(items),
        *_of_isolation(items),
        *_of_engines(items),
    ]
    if lines:
        report.outcome = "failed"
        report.longrepr = "\n".join(lines)
        report.result = []


def _of_markers(items: Sequence[pytest.Item]) -> Iterator[str]:
    return (f"{item.nodeid}: {problem}" for item in items for problem in problems(item))


def _of_gpus(items: Sequence[pytest.Item]) -> Iterator[str]:
    return (f"{item.nodeid}: {text}" for item in items if (text := gpu_problem(item)))


def _of_isolation(items: Sequence[pytest.Item]) -> Iterator[str]:
    for item in filter(needs_isolation, items):
        from .isolation import isolation_problem  # late: few tests say so

        if text := isolation_problem(item):
            yield f"{item.nodeid}: {text}"


def _of_engines(items: Sequence[pytest.Item]) -> Iterator[str]:
    for item in items:
        if item.get_closest_marker(ENGINES_MARKER) is not None:
            from .parity.marker import engines_problem  # late: few tests have the marker

            if text := engines_problem(item):
                yield f"{item.nodeid}: {text}"
