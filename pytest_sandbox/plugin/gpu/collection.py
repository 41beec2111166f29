"""What is found at collection: invalid markers, and markers that ask for different GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..marker import merged_spec
from .marker import FIXTURE, wanted_gpus
from .tested import takes_sandbox

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn these into an error of the collection, with one line for each test."""
    report = yield
    items = [node for node in report.result or () if isinstance(node, pytest.Item)]
    problems = [f"{item.nodeid}: {text}" for item in items if (text := _problem(item))]
    if problems:
        report.outcome = "failed"
        report.longrepr = "\n".join(problems)
        report.result = []
    return report


def _problem(item: pytest.Item) -> str:
    try:
        wanted = wanted_gpus(item)
        other = merged_spec(item).get("gpu") if wanted is not None else None
    except (ValueError, pytest.fail.Exception) as error:
        return str(error)
    if other is None or not takes_sandbox(item):
        return ""
    # Its sandbox would get other GPUs than those that are leased for it, or wait for its own.
    marked = item.get_closest_marker(FIXTURE) is not None
    asks = "@pytest.mark.gpu" if marked else "the fixture gpu"
    return (
        f"{asks} asks for {wanted}, and @pytest.mark.sandbox(gpu={other!r}) for GPUs too: say it "
        "once, by @pytest.mark.gpu"
    )
