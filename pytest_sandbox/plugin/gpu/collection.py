"""What is found at collection: invalid markers, and markers that ask for different GPUs."""

from __future__ import annotations

import pytest

from ..marker import merged_spec
from .marker import FIXTURE, wanted_gpus
from .tested import takes_sandbox


def gpu_problem(item: pytest.Item) -> str:
    """Why its markers about GPUs are invalid, or contradict each other; empty if they do not."""
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
